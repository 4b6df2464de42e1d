//! The controls that only the embedded stack has. They are a view of its state, faults, signals to
//! functions, and the stop switch.

use serde_json::{Value, json};

use super::Stack;
use crate::{eventually, http};

impl Stack {
    /// True if a local stack answers at its AWS port.
    pub async fn answers(&self) -> bool {
        let url = format!("http://127.0.0.1:{}/_local/health", self.aws_port);
        let answer = http::try_send(&self.http, "GET", &url, &[], vec![]).await;
        answer.is_ok_and(|answer| answer.body["status"] == "ready")
    }

    /// The response to `GET /_local/state`.
    pub async fn state(&self) -> Value {
        self.control("GET", "state", &json!(null)).await
    }

    /// Injects a fault into every call of a service.
    ///
    /// # Panics
    /// If the fault is refused.
    pub async fn fault(&self, service: &str, error: &str, seconds: u64) {
        let fault = json!({"service": service, "error": error, "rate": 1, "seconds": seconds});
        self.inject(&fault).await;
    }

    /// Delays the responses to every call of a service by this time. The calls take effect.
    ///
    /// # Panics
    /// If the fault is refused.
    pub async fn slow(&self, service: &str, milliseconds: u64, seconds: u64) {
        let fault = json!({
            "service": service, "error": "slow", "milliseconds": milliseconds, "rate": 1, "seconds": seconds,
        });
        self.inject(&fault).await;
    }

    /// Injects a fault as the stack's user would.
    ///
    /// # Panics
    /// If the fault is refused.
    pub async fn inject(&self, fault: &Value) {
        self.control("POST", "faults", fault).await;
    }

    /// Ends all faults.
    pub async fn no_faults(&self) {
        self.control("DELETE", "faults", &json!(null)).await;
    }

    /// Kills, freezes or thaws every process of a function. Returns the number of the processes.
    ///
    /// # Panics
    /// If there is no such function or action.
    pub async fn disturb(&self, function: &str, action: &str) -> usize {
        let request = json!({"function": function, "action": action});
        let answer = self.control("POST", "functions", &request).await;
        answer["pids"].as_array().unwrap().len()
    }

    /// Sets the stop switch of the consumer's mapping, and waits until the change has come into
    /// force.
    ///
    /// # Panics
    /// If the change does not come into force within a minute.
    pub async fn enable_mapping(&self, enabled: bool) {
        self.enable_mapping_of("consumer", enabled).await;
    }

    /// Sets the stop switch of a function's mapping, and waits until the change has come into
    /// force.
    ///
    /// # Panics
    /// If the function has no mapping, or if the change does not come into force within a minute.
    pub async fn enable_mapping_of(&self, function: &str, enabled: bool) {
        let request = json!({"enabled": enabled, "function": function});
        self.control("POST", "mapping", &request).await;
        let state = if enabled { "Enabled" } else { "Disabled" };
        eventually(state, || async {
            (self.state().await["mappings"][function]["state"] == state).then_some(())
        })
        .await;
    }

    async fn control(&self, method: &str, route: &str, body: &Value) -> Value {
        assert!(
            self.deployment.is_none(),
            "only the embedded stack has this control"
        );
        let url = format!("http://127.0.0.1:{}/_local/{route}", self.aws_port);
        let body = body.to_string().into_bytes();
        let answer = http::send(&self.http, method, &url, &[], body).await;
        assert!(answer.status < 300, "{method} {route}: {}", answer.body);
        answer.body
    }
}
