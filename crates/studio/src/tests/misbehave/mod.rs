//! Each fault of a misbehaviour plan, over real HTTP: that it happens, exactly as declared, and to nobody else.

mod calls;
mod counts;
mod files;
mod malformed;
mod polls;
mod replies;
mod responses;
mod script;
mod steps;

use serde_json::Value;

use super::lab::{Lab, instant_request};
use crate::Misbehaviour;

/// An instant studio that follows a plan with these rules.
async fn lab(rules: &str) -> Lab {
    lab_with("", rules).await
}

/// The same with more at the plan's top.
async fn lab_with(top: &str, rules: &str) -> Lab {
    let plan = plan(top, rules);
    Lab::open(move |config| config.misbehaviour = Some(plan)).await
}

fn plan(top: &str, rules: &str) -> Misbehaviour {
    Misbehaviour::parse(&format!("version: 1\n{top}\nrules: {rules}\n"))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What one submission came to.
#[derive(Debug, Clone, PartialEq)]
enum Got {
    /// The connection ended without a response, or in the middle of one.
    Nothing,
    /// An HTTP status and the body.
    Response(u16, String),
}

impl Got {
    fn json(&self) -> Value {
        match self {
            Got::Response(_, body) => serde_json::from_str(body).unwrap_or_default(),
            Got::Nothing => Value::Null,
        }
    }

    fn status(&self) -> u16 {
        match self {
            Got::Response(status, _) => *status,
            Got::Nothing => 0,
        }
    }

    fn task_id(&self) -> String {
        self.json()["data"]["taskId"]
            .as_str()
            .unwrap_or_else(|| panic!("no task id in {self:?}"))
            .to_owned()
    }
}

/// Submits `body` under `token` and waits for whatever comes.
async fn submit(lab: &Lab, body: &Value, token: &str) -> Got {
    let request = lab
        .http
        .post(lab.url("api/v1/generate/add-instrumental"))
        .bearer_auth("any")
        .header("Idempotency-Key", token)
        .json(body);
    got(request).await
}

async fn got(request: reqwest::RequestBuilder) -> Got {
    let Ok(response) = request.send().await else {
        return Got::Nothing;
    };
    let status = response.status().as_u16();
    match response.text().await {
        Ok(body) => Got::Response(status, body),
        Err(_) => Got::Nothing,
    }
}

/// Submits `count` plain requests, each under a token of its own: `t1`, `t2`, …
async fn submit_many(lab: &Lab, count: usize) -> Vec<Got> {
    let mut all = Vec::new();
    for number in 1..=count {
        all.push(submit(lab, &instant_request(), &format!("t{number}")).await);
    }
    all
}

/// The codes of `responses`; 0 where there was none.
fn codes(responses: &[Got]) -> Vec<i64> {
    responses
        .iter()
        .map(|got| got.json()["code"].as_i64().unwrap_or(0))
        .collect()
}

/// The bill as the admin path shows it.
async fn bill(lab: &Lab) -> Vec<Value> {
    let key = std::fs::read_to_string(lab.dir().join("studio/bill.key")).unwrap();
    let request = lab.http.get(lab.url("studio/bill")).bearer_auth(key);
    let text = request.send().await.unwrap();
    let text = text.error_for_status().unwrap().text().await.unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The tokens on the bill.
async fn billed(lab: &Lab) -> Vec<String> {
    let bill = bill(lab).await;
    bill.iter()
        .map(|entry| entry["idempotency_key"].as_str().unwrap().to_owned())
        .collect()
}

/// The bytes of instant mode's first track.
async fn recording(lab: &Lab) -> Vec<u8> {
    lab.download(&lab.url("files/instant/1.wav")).await
}
