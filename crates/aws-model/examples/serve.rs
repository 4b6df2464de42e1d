//! Serves the model on a loopback port until Ctrl-C, for a look at it with the AWS CLI:
//!
//! ```text
//! cargo run -p aws-model --example serve -- 4566
//! aws --endpoint-url http://127.0.0.1:4566 kinesis list-streams
//! ```

use std::net::Ipv4Addr;
use std::time::Duration;

use aws_model::server::{Routes, serve};
use aws_model::{Aws, Settings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = match std::env::args().nth(1) {
        Some(text) => text.parse().map_err(|_| format!("not a port: {text}"))?,
        None => 4566,
    };
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let aws = Aws::new(Settings::default())?;
    eprintln!(
        "Kinesis, DynamoDB and SQS on http://{}",
        listener.local_addr()?
    );
    let stop = async {
        // Without a handler for the signal there is nothing better than to stop.
        let _ = tokio::signal::ctrl_c().await;
    };
    serve(listener, aws, Routes::none(), Duration::from_secs(1), stop).await;
    Ok(())
}
