//! `/system`, an addition to the contract.

use serde_json::json;

use crate::daemon::Daemon;

#[tokio::test]
async fn a_repair_without_anything_to_repair_answers_with_empty_lists() {
    let daemon = Daemon::bare();
    let answer = daemon.send("/system/repair", json!({})).await;
    assert_eq!(answer.json(), json!({"failed": [], "restored": []}));
}
