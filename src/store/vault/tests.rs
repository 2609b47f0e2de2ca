use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::documents::Writer;

const OWNER: &str = "owner@example.com";

struct Bench {
    data: DataDir,
    store: Store,
    writer: Writer,
    _parent: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let data = DataDir::open(parent.path().join("data")).unwrap();
        let (store, writer) = Store::open(&data);
        Self {
            data,
            store,
            writer,
            _parent: parent,
        }
    }

    fn open(&self) -> Vault {
        self.open_with(KeySource::DataDir).unwrap()
    }

    fn open_with(&self, source: KeySource) -> Result<Vault, VaultError> {
        Vault::open(&self.data, &self.store, source, Redactor::default())
    }

    fn document(&self) -> BTreeMap<String, String> {
        self.store.read(DOCUMENT).unwrap().unwrap()
    }

    fn mode_of_key(&self) -> u32 {
        fs::metadata(self.data.path().join(KEY_FILE))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    }
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn get(vault: &Vault, kind: Secret, subject: &str) -> Option<String> {
    vault.get(kind, subject).map(|secret| secret.expose_secret().to_owned())
}

#[test]
fn a_secret_comes_back_after_a_restart_and_is_gone_once_removed() {
    let bench = Bench::new();
    bench
        .open()
        .put(Secret::CloudPassword, OWNER, &secret("S3cret!"))
        .unwrap();
    let vault = bench.open();
    assert_eq!(get(&vault, Secret::CloudPassword, OWNER).as_deref(), Some("S3cret!"));
    assert_eq!(get(&vault, Secret::Pin, OWNER), None);
    vault.remove(Secret::CloudPassword, OWNER).unwrap();
    vault.remove(Secret::CloudPassword, OWNER).unwrap();
    assert_eq!(get(&bench.open(), Secret::CloudPassword, OWNER), None);
    assert_eq!(format!("{vault:?}"), "Vault(***)");
}

#[tokio::test]
async fn no_file_holds_a_secret_in_plain_text() {
    let bench = Bench::new();
    let vault = bench.open();
    let (password, token) = (secret("hunter2-hunter2"), secret("token-of-the-session"));
    vault
        .put_all(OWNER, &[(Secret::CloudPassword, &password), (Secret::Session, &token)])
        .unwrap();
    let done = CancellationToken::new();
    done.cancel();
    bench.writer.run(done).await;
    let mut seen = 0;
    for entry in fs::read_dir(bench.data.path()).unwrap() {
        let content = fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&content);
        seen += usize::from(text.contains(VERSION));
        for plain in [password.expose_secret(), token.expose_secret()] {
            assert!(!text.contains(plain) && !text.contains(&BASE64_STANDARD.encode(plain)));
        }
    }
    assert_eq!(seen, 1, "the document with the encrypted values was written");
}

#[test]
fn the_same_secret_is_encrypted_differently_each_time() {
    let bench = Bench::new();
    let vault = bench.open();
    vault.put(Secret::Pin, "LFZ1", &secret("1234")).unwrap();
    let first = bench.document();
    vault.put(Secret::Pin, "LFZ1", &secret("1234")).unwrap();
    assert_ne!(first, bench.document());
}

#[test]
fn a_value_is_bound_to_its_kind_and_owner() {
    let bench = Bench::new();
    bench.open().put(Secret::Pin, "LFZ1", &secret("1234")).unwrap();
    let mut moved = bench.document();
    let value = moved["pin/LFZ1"].clone();
    moved.insert("pin/LFZ2".to_owned(), value.clone());
    moved.insert("mqtt_password/LFZ1".to_owned(), value);
    bench.store.write(DOCUMENT, &moved).unwrap();
    let vault = bench.open();
    assert_eq!(get(&vault, Secret::Pin, "LFZ1").as_deref(), Some("1234"));
    assert_eq!(get(&vault, Secret::Pin, "LFZ2"), None);
    assert_eq!(get(&vault, Secret::MqttPassword, "LFZ1"), None);
}

#[test]
fn a_damaged_value_counts_as_unset_and_stays_until_it_is_set_anew() {
    let bench = Bench::new();
    bench.open().put(Secret::MqttPassword, "", &secret("broker")).unwrap();
    let good = bench.document()["mqtt_password/"].clone();
    let mut sealed = BASE64_STANDARD.decode(&good[VERSION.len()..]).unwrap();
    for position in 0..sealed.len() {
        sealed[position] ^= 1;
        let flipped = format!("{VERSION}{}", BASE64_STANDARD.encode(&sealed));
        sealed[position] ^= 1;
        bench
            .store
            .write(DOCUMENT, &BTreeMap::from([("mqtt_password/", &flipped)]))
            .unwrap();
        let vault = bench.open();
        assert_eq!(get(&vault, Secret::MqttPassword, ""), None);
        assert_eq!(bench.document()["mqtt_password/"], flipped);
    }
    for damaged in ["enc:1:", "enc:1:AAAA", "enc:1:no base64", "enc:2:AAAA", "enc:"] {
        bench
            .store
            .write(DOCUMENT, &BTreeMap::from([("mqtt_password/", damaged)]))
            .unwrap();
        assert_eq!(get(&bench.open(), Secret::MqttPassword, ""), None, "{damaged}");
    }
    let vault = bench.open();
    vault.put(Secret::MqttPassword, "", &secret("again")).unwrap();
    assert_eq!(get(&vault, Secret::MqttPassword, "").as_deref(), Some("again"));
}

#[test]
fn plain_values_of_the_past_are_encrypted_at_start() {
    let bench = Bench::new();
    let plain = BTreeMap::from([("pin/LFZ1", "0123"), ("mqtt_password/", "hunter2")]);
    bench.store.write(DOCUMENT, &plain).unwrap();
    let vault = bench.open();
    assert!(bench.document().values().all(|value| value.starts_with(VERSION)));
    assert_eq!(get(&vault, Secret::Pin, "LFZ1").as_deref(), Some("0123"));
    assert_eq!(get(&vault, Secret::MqttPassword, "").as_deref(), Some("hunter2"));
}

#[test]
fn a_secret_that_looks_encrypted_is_encrypted_all_the_same() {
    let bench = Bench::new();
    bench
        .open()
        .put(Secret::CloudPassword, OWNER, &secret("enc:1:AAAA"))
        .unwrap();
    assert_ne!(bench.document()["cloud_password/owner@example.com"], "enc:1:AAAA");
    assert_eq!(
        get(&bench.open(), Secret::CloudPassword, OWNER).as_deref(),
        Some("enc:1:AAAA")
    );
}

#[test]
fn the_key_file_is_for_its_owner_alone_and_repaired_when_it_is_not() {
    let bench = Bench::new();
    bench.open();
    assert_eq!(bench.mode_of_key(), 0o600);
    let key = fs::read(bench.data.path().join(KEY_FILE)).unwrap();
    fs::set_permissions(bench.data.path().join(KEY_FILE), Permissions::from_mode(0o644)).unwrap();
    bench.open();
    assert_eq!(bench.mode_of_key(), 0o600);
    assert_eq!(fs::read(bench.data.path().join(KEY_FILE)).unwrap(), key);
}

#[test]
fn a_given_key_is_used_and_leaves_no_file() {
    let bench = Bench::new();
    let given = |text: &str| KeySource::Given {
        key: secret(text),
        origin: "environment variable X".to_owned(),
    };
    let hexadecimal = "07".repeat(KEY_LENGTH);
    let base64 = format!("{}\n", BASE64_STANDARD.encode([7; KEY_LENGTH]));
    bench
        .open_with(given(&hexadecimal))
        .unwrap()
        .put(Secret::Pin, "LFZ1", &secret("1234"))
        .unwrap();
    let vault = bench.open_with(given(&base64)).unwrap();
    assert_eq!(get(&vault, Secret::Pin, "LFZ1").as_deref(), Some("1234"));
    assert!(!bench.data.path().join(KEY_FILE).exists());
    assert!(KeySource::given(secret(&hexadecimal), String::new()).is_some());
    for wrong in ["", "short", "AAAA", &"0".repeat(66)] {
        assert!(KeySource::given(secret(wrong), String::new()).is_none(), "{wrong}");
        let error = bench.open_with(given(wrong)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable X: the vault key must be 32 bytes in base64"
        );
    }
}

#[test]
fn another_key_finds_nothing_and_destroys_nothing() {
    let bench = Bench::new();
    bench.open().put(Secret::Pin, "LFZ1", &secret("1234")).unwrap();
    let key = fs::read(bench.data.path().join(KEY_FILE)).unwrap();
    fs::remove_file(bench.data.path().join(KEY_FILE)).unwrap();
    assert_eq!(get(&bench.open(), Secret::Pin, "LFZ1"), None);
    fs::write(bench.data.path().join(KEY_FILE), key).unwrap();
    assert_eq!(get(&bench.open(), Secret::Pin, "LFZ1").as_deref(), Some("1234"));
}

#[test]
fn a_key_file_that_cannot_be_read_is_an_error() {
    let bench = Bench::new();
    fs::create_dir(bench.data.path().join(KEY_FILE)).unwrap();
    assert!(matches!(
        bench.open_with(KeySource::DataDir),
        Err(VaultError::KeyFile(_))
    ));
}

#[test]
fn secrets_that_pass_through_are_kept_out_of_the_log() {
    let bench = Bench::new();
    let redactor = Redactor::default();
    let open = || Vault::open(&bench.data, &bench.store, KeySource::DataDir, redactor.clone()).unwrap();
    open().put(Secret::Session, OWNER, &secret("token-1")).unwrap();
    assert_eq!(redactor.redact("got token-1."), "got [session].");
}
