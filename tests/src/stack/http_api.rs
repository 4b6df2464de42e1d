//! The HTTP API of a stack, as its clients use it.

use super::Stack;
use crate::http::{self, Answer};
use crate::{ORDER, eventually};

impl Stack {
    /// Sends a request to the HTTP API.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let Some(deployment) = &self.deployment else {
            let url = format!("http://127.0.0.1:{}{path}", self.port);
            return http::send(&self.http, method, &url, headers, body.into()).await;
        };
        let url = format!("{}{path}", deployment.url);
        let mut all = vec![("host", deployment.host.as_str())];
        all.extend_from_slice(headers);
        http::send(&self.http, method, &url, &all, body.into()).await
    }

    /// Submits this body as JSON.
    pub async fn submit(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send("POST", "/orders", &all, body).await
    }

    /// Submits this body as a batch in JSON.
    pub async fn batch(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send("POST", "/orders/batch", &all, body).await
    }

    /// Submits [`ORDER`]. Returns the order's id.
    ///
    /// # Panics
    /// If the order is not accepted.
    pub async fn accepted(&self) -> String {
        let answer = self.submit(&[], ORDER).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.text("order_id").to_owned()
    }

    /// Cancels an order.
    pub async fn cancel(&self, order_id: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("POST", &format!("/orders/{order_id}/cancel"), headers, "")
            .await
    }

    /// Reads an order.
    pub async fn read(&self, order_id: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", &format!("/orders/{order_id}"), headers, "")
            .await
    }

    /// Reads an order again and again until it is there.
    pub async fn persisted(&self, order_id: &str, headers: &[(&str, &str)]) -> Answer {
        eventually("the order being persisted", || async {
            Some(self.read(order_id, headers).await).filter(|answer| answer.status == 200)
        })
        .await
    }
}
