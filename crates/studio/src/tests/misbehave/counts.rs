//! Which submissions a plan meets, over HTTP and over a stop; and the bill.

use serde_json::Value;

use super::super::lab::{Lab, instant_request};
use super::{bill, billed, codes, lab, lab_with, plan, submit, submit_many};
use crate::read_bill;

#[tokio::test]
async fn rules_meet_by_number_title_token_and_times() {
    let lab = lab("
  - when: {nth: [2], title: 'Lull*'}
    do: [{refuse: {code: 400}}]
  - when: {every: 3}
    do: [{refuse: {code: 455}}]
  - when: {title: Nobody}
    do: [{refuse: {code: 401}}]
  - when: {from: 4, times: 1}
    do: [{refuse: {code: 430}}]
  - when: {token: 't7'}
    do: [{refuse: {code: 409}}]
")
    .await;
    let got = submit_many(&lab, 8).await;
    assert_eq!(codes(&got), [200, 400, 455, 430, 200, 455, 409, 200]);
    // Where two say the same thing the first one counts, and the other's times are used up all the same.
}

#[tokio::test]
async fn the_callbacks_token_counts_too() {
    let lab = lab("[{when: {token: 'secret-*'}, do: [{refuse: {code: 455}}]}]").await;
    let mut body = instant_request();
    body["callBackUrl"] = "https://example.com/hook/secret-1".into();
    assert_eq!(codes(&[submit(&lab, &body, "t").await]), [455]);
    body["callBackUrl"] = "https://example.com/hook/other".into();
    assert_eq!(codes(&[submit(&lab, &body, "t").await]), [200]);
}

#[tokio::test]
async fn a_request_that_is_wrong_is_not_counted() {
    let lab = lab("[{when: {nth: [1]}, do: [{refuse: {code: 455}}]}]").await;
    let mut wrong = instant_request();
    wrong["title"] = Value::Null;
    assert_eq!(codes(&[submit(&lab, &wrong, "t").await]), [400]);
    assert_eq!(codes(&submit_many(&lab, 2).await), [455, 200]);
}

#[tokio::test]
async fn chance_comes_out_the_same_for_the_same_seed() {
    let refused = async |seed: u32| -> Vec<i64> {
        let lab = lab_with(
            &format!("seed: {seed}"),
            "[{when: {chance: 0.5}, do: [{refuse: {code: 430}}]}]",
        )
        .await;
        codes(&submit_many(&lab, 24).await)
    };
    let first = refused(1).await;
    assert_eq!(first, refused(1).await);
    assert_ne!(first, refused(2).await);
    assert!(first.contains(&430) && first.contains(&200));
}

#[tokio::test]
async fn counts_and_bills_survive_a_stop() {
    let plan = plan(
        "",
        "[{when: {nth: [3]}, do: [{refuse: {code: 455}}]}, {when: {from: 2, times: 2}, do: [{response: null_data}]}]",
    );
    let open = async |dir| {
        let plan = plan.clone();
        Lab::open_in(dir, move |config| config.misbehaviour = Some(plan)).await
    };
    let lab = open(tempfile::TempDir::new().unwrap()).await;
    let first = submit(&lab, &instant_request(), "a").await.task_id();
    assert_eq!(
        submit(&lab, &instant_request(), "b").await.json()["data"],
        Value::Null
    );
    let lab = open(lab.close().await).await;
    assert_eq!(codes(&[submit(&lab, &instant_request(), "c").await]), [455]);
    submit(&lab, &instant_request(), "d").await.task_id();
    let shown = bill(&lab).await;
    assert_eq!(billed(&lab).await, ["a", "b", "d"]);
    assert_eq!(shown[0]["task_id"], first.as_str());
    assert_eq!(shown[0]["credits"], 12.0);
    assert_eq!(
        shown
            .iter()
            .map(|entry| &entry["submission"])
            .collect::<Vec<_>>(),
        [1, 2, 4]
    );
    // The same from the folder, while the studio runs and after.
    let data_dir = lab.shared().config.data_dir.clone();
    let from_folder = || {
        let entries = read_bill(&data_dir).unwrap();
        entries
            .iter()
            .map(|entry| serde_json::to_value(entry).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(from_folder(), shown);
    let _dir = lab.close().await;
    assert_eq!(from_folder(), shown);
    assert!(read_bill(std::path::Path::new("/nowhere")).is_err());
}

#[tokio::test]
async fn the_bill_is_for_this_machine_only() {
    let lab = lab("[]").await;
    submit_many(&lab, 1).await;
    assert_eq!(bill(&lab).await.len(), 1);
    let elsewhere = lab
        .http
        .get(lab.url("studio/bill"))
        .header("host", "studio.example.com");
    assert_eq!(super::got(elsewhere).await.status(), 421);
    // Another user of this machine has no key.
    for key in [None, Some("any")] {
        let request = lab.http.get(lab.url("studio/bill"));
        let request = match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        assert_eq!(super::got(request).await.json()["code"], 401, "{key:?}");
    }
}

#[tokio::test]
async fn the_bill_of_a_studio_with_a_key_takes_that_key() {
    let lab = Lab::open(|config| config.key = Some("the key".to_owned())).await;
    let get = |key: &str| super::got(lab.http.get(lab.url("studio/bill")).bearer_auth(key));
    assert_eq!(get("any").await.json()["code"], 401);
    assert_eq!(
        get("the key").await,
        super::Got::Response(200, String::new())
    );
    assert!(!lab.dir().join("studio/bill.key").exists());
}

#[tokio::test]
async fn the_documents_example_is_a_plan() {
    let document = include_str!("../../../../../docs/misbehave.md");
    let mut plans = 0;
    for block in document.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        crate::Misbehaviour::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        plans += 1;
    }
    assert!(plans > 0);
}

#[test]
fn the_document_names_every_fault() {
    let document = include_str!("../../../../../docs/misbehave.md");
    let source = concat!(
        include_str!("../../misbehave/fault.rs"),
        include_str!("../../misbehave/details.rs"),
        include_str!("../../misbehave/malformed.rs"),
        include_str!("../../misbehave/reply.rs"),
    );
    // Every variant and every field of a plan stands in backticks somewhere.
    let words = source.lines().filter_map(|line| {
        let line = line.trim();
        let field = line.strip_prefix("pub(crate) ")?.split_once(':')?.0;
        (!field.contains(' ')).then(|| field.to_owned())
    });
    let variants = source.lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?;
        let name = name.split(['(', ',']).next()?;
        let plain = name.chars().next()?.is_ascii_uppercase()
            && name.chars().all(|c| c.is_ascii_alphanumeric())
            && (line.ends_with(','));
        plain.then(|| snake(name))
    });
    let missing: Vec<String> = words
        .chain(variants)
        .filter(|word| !document.contains(word) && !document.contains(&word.to_uppercase()))
        .collect();
    assert!(missing.is_empty(), "docs/misbehave.md lacks {missing:?}");
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
