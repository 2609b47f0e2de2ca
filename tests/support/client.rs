//! A client of the broker for tests: what Home Assistant and scripts are to us. It hears messages one by one, in their
//! order; a [`super::listener::Listener`] remembers them all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectProperties, Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// How long a test waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A connected client that hears what it subscribed to.
pub struct Client {
    client: AsyncClient,
    heard: mpsc::UnboundedReceiver<Publish>,
    task: JoinHandle<()>,
}

impl Client {
    /// Connects to the broker on this port of the loopback interface.
    pub async fn connect(port: u16) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let id = format!("test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_connect_properties(ConnectProperties {
            max_packet_size: Some(8 * 1024 * 1024),
            ..ConnectProperties::new()
        });
        let (client, mut event_loop) = AsyncClient::new(options, 100);
        let (sender, heard) = mpsc::unbounded_channel();
        // Ended by `Drop`.
        let task = tokio::spawn(async move {
            while let Ok(event) = event_loop.poll().await {
                if let Event::Incoming(Packet::Publish(message)) = event
                    && sender.send(message).is_err()
                {
                    return;
                }
            }
        });
        Self { client, heard, task }
    }

    /// Connects and subscribes; everything the broker holds there has been heard when it returns.
    pub async fn listening(port: u16, filters: &[&str]) -> (Self, BTreeMap<String, String>) {
        let mut client = Self::connect(port).await;
        let barrier = format!("barrier/{}", client.client_id());
        client.client.subscribe(&barrier, QoS::AtMostOnce).await.unwrap();
        for filter in filters {
            client.client.subscribe(*filter, QoS::AtMostOnce).await.unwrap();
        }
        client.publish(&barrier, "", false).await;
        let mut retained = BTreeMap::new();
        loop {
            let message = client.next().await;
            if topic(&message) == barrier {
                return (client, retained);
            }
            retained.insert(topic(&message), text(&message));
        }
    }

    /// Publishes at least once.
    pub async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) {
        self.client
            .publish(topic, QoS::AtLeastOnce, retain, payload.into())
            .await
            .unwrap();
    }

    /// Publishes with MQTT 5 properties.
    pub async fn ask(&self, topic: &str, payload: &str, properties: PublishProperties) {
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, false, payload.to_owned(), properties)
            .await
            .unwrap();
    }

    /// The next message.
    pub async fn next(&mut self) -> Publish {
        timeout(PATIENCE, self.heard.recv())
            .await
            .expect("a message in time")
            .expect("a connection")
    }

    /// The next message that `wanted` likes; what comes before is dropped.
    pub async fn next_where(&mut self, mut wanted: impl FnMut(&Publish) -> bool) -> Publish {
        loop {
            let message = self.next().await;
            if wanted(&message) {
                return message;
            }
        }
    }

    /// What was heard and not looked at yet.
    pub fn heard_so_far(&mut self) -> Vec<Publish> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }

    fn client_id(&self) -> String {
        self.task.id().to_string()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The topic of a message.
pub fn topic(message: &Publish) -> String {
    String::from_utf8(message.topic.to_vec()).unwrap()
}

/// The payload of a message.
pub fn text(message: &Publish) -> String {
    String::from_utf8_lossy(&message.payload).into_owned()
}

/// What the broker holds.
pub async fn retained(port: u16, filters: &[&str]) -> BTreeMap<String, String> {
    Client::listening(port, filters).await.1
}

/// Looks at what the broker holds until it is as wanted.
pub async fn until_retained(
    port: u16,
    filters: &[&str],
    wanted: impl Fn(&BTreeMap<String, String>) -> bool,
) -> BTreeMap<String, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let held = retained(port, filters).await;
        if wanted(&held) {
            return held;
        }
        assert!(Instant::now() < deadline, "the broker holds {held:#?}");
        sleep(Duration::from_millis(50)).await;
    }
}
