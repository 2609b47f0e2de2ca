//! A client that hears and remembers everything, also across an absence of the broker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};

use super::world::{eventually, within};

/// How long to wait for a message.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connected client that remembers every message.
pub struct Listener {
    /// To publish with, what the methods here do not.
    pub client: AsyncClient,
    heard: Arc<Mutex<Vec<Publish>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Listener {
    /// Connects to the broker and subscribes to everything.
    pub async fn connect(port: u16) -> Self {
        Self::connect_as(port, None).await
    }

    /// Connects with this user name and password.
    pub async fn connect_as(port: u16, credentials: Option<(&str, &str)>) -> Self {
        let mut options = MqttOptions::new(format!("listener-{}", getrandom::u32().unwrap()), "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(5));
        options.set_connection_timeout(5);
        options.set_max_packet_size(Some(4 << 20));
        if let Some((user, password)) = credentials {
            options.set_credentials(user, password);
        }
        let (client, mut events) = AsyncClient::new(options, 100);
        client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (sink, subscriber) = (heard.clone(), client.clone());
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => sink.lock().unwrap().push(publish),
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        // After the broker was away the subscription is gone; asking twice does no harm.
                        let _ = subscriber.try_subscribe("#", QoS::AtLeastOnce);
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        Self { client, heard, task }
    }

    /// Every message so far: topic and payload.
    pub fn messages(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.heard
            .lock()
            .unwrap()
            .iter()
            .map(|publish| (text(&publish.topic), text(&publish.payload)))
            .collect()
    }

    /// The newest payload of every topic.
    pub fn latest(&self) -> BTreeMap<String, String> {
        self.messages().into_iter().collect()
    }

    /// Forgets what was heard.
    pub fn forget(&self) {
        self.heard.lock().unwrap().clear();
    }

    /// Waits for a topic to have this payload as its newest.
    pub async fn expect(&self, topic: &str, payload: &str) {
        let heard = within(PATIENCE, async || {
            (self.latest().get(topic).map(String::as_str) == Some(payload)).then_some(())
        })
        .await;
        assert!(
            heard.is_some(),
            "still not after {PATIENCE:?}: {topic} = {payload}, it is {:?}",
            self.latest().get(topic)
        );
    }

    /// Waits for a message on the topic that holds all these texts.
    pub async fn expect_message(&self, topic: &str, texts: &[&str]) -> String {
        eventually(&format!("{topic} with {texts:?}"), PATIENCE, async || {
            self.messages()
                .into_iter()
                .find(|(heard, payload)| heard == topic && texts.iter().all(|text| payload.contains(text)))
                .map(|(_, payload)| payload)
        })
        .await
    }

    /// Publishes with QoS 1.
    pub async fn publish(&self, topic: &str, payload: &str, retain: bool) {
        self.client
            .publish(topic, QoS::AtLeastOnce, retain, payload.to_owned())
            .await
            .unwrap();
    }

    /// Publishes with MQTT 5 properties.
    pub async fn publish_with(&self, topic: &str, payload: &str, properties: PublishProperties) {
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, false, payload.to_owned(), properties)
            .await
            .unwrap();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}
