//! `/system`, an addition to the contract.

use serde_json::json;

use crate::daemon::Daemon;

#[tokio::test]
async fn a_repair_without_anything_to_repair_answers_with_empty_lists() {
    let daemon = Daemon::bare();
    let answer = daemon.send("/system/repair", json!({})).await;
    assert_eq!(answer.json(), json!({"failed": [], "restored": []}));
}

#[tokio::test]
async fn the_doctor_says_what_was_looked_at_and_what_is_wrong() {
    let daemon = Daemon::bare();
    let answer = daemon.get("/system/doctor").await;
    assert_eq!(answer.status, 200);
    let checks = answer.json()["checks"].clone();
    let checks = checks.as_array().unwrap();
    assert!(
        checks.iter().any(|check| check["what"] == "namespaces"),
        "{checks:?}"
    );
    let plugins = checks.iter().find(|check| check["what"] == "plugins").unwrap();
    // Tests have none beside their program.
    assert!(
        plugins["problem"]
            .as_str()
            .is_some_and(|problem| problem.contains("--plugins"))
    );
}
