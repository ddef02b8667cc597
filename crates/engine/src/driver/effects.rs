//! What the conductor wants done, as futures: each ends in one input and never panics.

use std::future::Future;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backline_api::{
    CallError, CallErrorKind, Client, Operation, ResponseClass, Sent, Source, StepRequest,
    SubmitOutcome, SubmitRequest, TaskId, TaskView, UploadName, UploadSource, lacks_descriptor,
};
use url::Url;

use super::keep::Keeper;
use super::message::Message;
use super::plan_index::PlanIndex;
use super::{Clock, Run, shown_path};
use crate::conductor::{EffectError, FetchRequest, Input, Prepared, StemId};
use crate::event::{Moment, RunId, Token};
use crate::hooks::{HookFailure, HookPoint, OnError};
use crate::plan::{PlannedJob, StemFile, StemSource};
use crate::receipts::{Receipt, Receipts};
use crate::settings::JobKey;
use crate::store::{Store, Upload};

/// The address that a vendor without a way back is given: callbacks to it go nowhere and harm nobody.
const NO_CALLBACK: &str = "https://example.com/no-callback";

/// The folder at the vendor's that stems are uploaded to.
const UPLOAD_FOLDER: &str = "backline/stems";

/// As much of a public stem as tells what it is.
const SNIFFED_BYTES: usize = 4096;

pub(super) struct EffectRunner {
    client: Arc<Client>,
    plan: Arc<PlanIndex>,
    keeper: Arc<Keeper>,
    clock: Clock,
    callbacks: Option<Url>,
    receipts: Arc<Receipts>,
}

impl EffectRunner {
    pub(super) fn new(
        run: &Run,
        run_id: &RunId,
        plan: Arc<PlanIndex>,
        client: Client,
        callbacks: Option<Url>,
        clock: Clock,
        receipts: Arc<Receipts>,
    ) -> Self {
        let client = Arc::new(client);
        let project_dir = run.project_dir.clone();
        Self {
            keeper: Arc::new(Keeper::new(
                client.clone(),
                plan.clone(),
                run_id.clone(),
                project_dir,
            )),
            client,
            plan,
            clock,
            callbacks,
            receipts,
        }
    }

    /// An upload of an earlier run that is young enough to be used. A provider on this machine may have begun anew since.
    pub(super) fn kept_upload(
        &self,
        stem: &StemId,
        store: &dyn Store,
        account: &str,
    ) -> Option<Upload> {
        let StemSource::File(file) = self.plan.source(stem) else {
            return None;
        };
        let profile = &self.plan.plan().provider.profile;
        if profile.loopback {
            return None;
        }
        // One that a clock dated ahead of its time is of unknown age.
        let now_ms = self.clock.now_ms();
        let oldest_ms = now_ms.saturating_sub_unsigned(profile.upload_ttl_ms);
        // A ledger that can't be read now fails at the next append; here it only means one upload more.
        store
            .upload(&hash_text(file), account)
            .ok()
            .flatten()
            .filter(|upload| upload.at_ms > oldest_ms && upload.at_ms <= now_ms)
    }

    /// What a stem's upload is remembered by; nothing for one with an address of its own.
    pub(super) fn upload_hash(&self, stem: &StemId) -> Option<String> {
        match self.plan.source(stem) {
            StemSource::File(file) => Some(hash_text(file)),
            StemSource::Url(_) => None,
        }
    }

    /// Uploads a stem, or checks that its public address serves audio.
    pub(super) fn prepare(
        &self,
        stem: StemId,
        kept: Option<Upload>,
    ) -> impl Future<Output = Message> + Send + use<> {
        let (client, plan, clock) = (self.client.clone(), self.plan.clone(), self.clock.clone());
        async move {
            let result = match (plan.source(&stem), kept) {
                (_, Some(upload)) => Ok(Prepared {
                    url: upload.url.into(),
                    uploaded_ms: Some(upload.at_ms),
                    hash: None,
                }),
                (StemSource::Url(url), None) => {
                    check_source(&client, url).await.map(|()| Prepared {
                        url: url.as_str().into(),
                        uploaded_ms: None,
                        hash: None,
                    })
                }
                (StemSource::File(file), None) => {
                    let shown = shown_path(&plan.plan().project_dir, &file.path);
                    upload(&client, file, &shown, &clock).await
                }
            };
            Message::Input(Input::Prepared { stem, result })
        }
    }

    /// Writes the request of an attempt to process a source. It is written once: nothing here tries again. The task in its response is
    /// kept as a receipt at once.
    pub(super) fn submit(
        &self,
        job: JobKey,
        attempt: u32,
        token: Token,
        source: Source,
    ) -> impl Future<Output = Message> + Send + use<> {
        let (client, plan) = (self.client.clone(), self.plan.clone());
        let call_back_url = self.callback_url(&token);
        let receipts = self.receipts.clone();
        let clock = self.clock.clone();
        async move {
            let planned = plan.job(&job);
            let Sent { outcome, written } = match (&planned.step, source) {
                (None, Source::Recording { url }) => {
                    let request = SubmitRequest {
                        upload_url: url,
                        call_back_url,
                        settings: planned.settings.clone(),
                    };
                    client.submit(&request, token.expose()).await
                }
                (_, source) => {
                    let operation = plan.plan().operation(planned);
                    submit_step(&client, operation, planned, source, call_back_url, &token).await
                }
            };
            let written_ms = written.map(|written| {
                let ago_ms = u64::try_from(written.elapsed().as_millis()).unwrap_or(u64::MAX);
                clock.now_ms().saturating_sub_unsigned(ago_ms)
            });
            if let SubmitOutcome::Accepted(task) = &outcome {
                let receipt = Receipt::new(job, attempt, &token, task.clone());
                keep_receipt(receipts, receipt).await;
            }
            Message::Input(Input::Responded {
                job,
                attempt,
                outcome,
                written_ms,
            })
        }
    }

    fn callback_url(&self, token: &Token) -> String {
        match &self.callbacks {
            Some(base) => format!("{}/{}", base.as_str().trim_end_matches('/'), token.expose()),
            None => NO_CALLBACK.to_owned(),
        }
    }

    /// Requests a task's state.
    pub(super) fn view(
        &self,
        job: JobKey,
        task: TaskId,
    ) -> impl Future<Output = Message> + Send + use<> {
        let (client, plan) = (self.client.clone(), self.plan.clone());
        async move {
            let planned = plan.job(&job);
            let viewed = view(&client, plan.plan().operation(planned), planned, &task).await;
            let result = viewed.map_err(EffectError::from);
            Message::Input(Input::Polled { job, task, result })
        }
    }

    /// Fetches one file of a track and keeps it.
    pub(super) fn fetch(
        &self,
        request: FetchRequest,
    ) -> impl Future<Output = Message> + Send + use<> {
        let keeper = self.keeper.clone();
        async move {
            let (result, problem) = match keeper.keep(&request).await {
                Ok((file, problem)) => (Ok(file), problem),
                Err(error) => (Err(error), None),
            };
            let input = Input::Fetched {
                job: request.job,
                index: request.index,
                part: request.part,
                result,
            };
            match problem {
                Some(problem) => Message::Hooked {
                    about: request.job,
                    failures: vec![HookFailure {
                        point: HookPoint::TrackKept,
                        hook: "output.tags".to_owned(),
                        message: problem.to_string(),
                        effect: OnError::Ignore,
                    }],
                    input,
                },
                None => Message::Input(input),
            }
        }
    }

    /// Reads the account's balance; a vendor that won't say it stops nothing here.
    pub(super) fn balance(&self, moment: Moment) -> impl Future<Output = Message> + Send + use<> {
        let client = self.client.clone();
        async move {
            match client.credits().await {
                Ok(credits) => Message::Input(Input::Balance { credits, moment }),
                Err(error) => {
                    tracing::debug!(%error, "the balance could not be read");
                    Message::Nothing
                }
            }
        }
    }
}

/// Keeps a receipt. Where it can't be written the ledger may still take the task.
async fn keep_receipt(receipts: Arc<Receipts>, receipt: Receipt) {
    let task = receipt.task.clone();
    let kept = tokio::task::spawn_blocking(move || receipts.keep(&receipt)).await;
    match kept {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, %task, "the receipt of a task can't be written"),
        Err(error) => tracing::warn!(%error, %task, "the receipt of a task was not written"),
    }
}

/// Requests the details of a task of a job.
pub(super) async fn view(
    client: &Client,
    operation: &Operation,
    job: &PlannedJob,
    task: &TaskId,
) -> Result<TaskView, CallError> {
    match job.step {
        None => client.record_info(task).await,
        Some(_) => Ok(client.step_details(operation, task).await?.into()),
    }
}

/// Writes the request of a step.
async fn submit_step(
    client: &Client,
    operation: &Operation,
    job: &PlannedJob,
    source: Source,
    call_back_url: String,
    token: &Token,
) -> Sent {
    let settings = job.step.iter().flat_map(|step| step.settings.iter());
    let settings = settings.map(|(name, text)| (name.as_str(), text.as_str()));
    // A recovery's settings name the task, which is its source.
    let settings = settings.filter(|_| !job.is_recovery());
    let refused = |message: String| Sent {
        outcome: SubmitOutcome::Refused {
            class: ResponseClass::RefusedJob,
            code: None,
            message,
            retry_after_ms: None,
        },
        written: None,
    };
    // The manifest was checked. An error here refuses the job, and nothing is sent.
    let choices = match operation.choices(settings) {
        Ok(choices) => choices,
        Err(error) => return refused(error.to_string()),
    };
    let request = StepRequest {
        source,
        choices,
        call_back_url,
    };
    let sent = client.submit_step(operation, &request, token.expose());
    sent.await
        .unwrap_or_else(|error| refused(error.to_string()))
}

/// What is to be remembered of an upload; an address that carries a signature is for this run only.
pub(super) fn upload_to_keep(prepared: &Prepared, account: &str) -> Option<Upload> {
    let plain = Url::parse(&prepared.url).is_ok_and(|url| url.query().is_none());
    let (hash, at_ms) = (prepared.hash.clone()?, prepared.uploaded_ms?);
    plain.then(|| Upload {
        hash,
        account: account.to_owned(),
        url: prepared.url.to_string(),
        at_ms,
    })
}

/// Uploads a stem's file under a name that its content decides: the same name never means another content. Errors name it as the
/// project does.
async fn upload(
    client: &Client,
    file: &StemFile,
    shown: &str,
    clock: &Clock,
) -> Result<Prepared, EffectError> {
    let hash = hash_text(file);
    let path: PathBuf = file.path.clone();
    let planned = file.hash;
    let read = path.clone();
    let unchanged = tokio::task::spawn_blocking(move || {
        let mut hasher = blake3::Hasher::new();
        let mut recording = std::fs::File::open(&read)?;
        std::io::copy(&mut recording, &mut hasher)?;
        std::io::Result::Ok(*hasher.finalize().as_bytes() == planned)
    });
    let failed = |what: String| EffectError::ours(format!("{shown} {what}"), false);
    match unchanged.await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => {
            return Err(failed("has changed since it was planned".to_owned()));
        }
        Ok(Err(error)) => return Err(failed(format!("can't be read: {error}"))),
        Err(error) => return Err(failed(format!("could not be checked: {error}"))),
    }
    let name = UploadName {
        folder: UPLOAD_FOLDER.to_owned(),
        file_name: format!("{hash}.{}", file.format.extension()),
    };
    let source = UploadSource::File(path);
    let uploaded = client
        .upload_stream(source, &name, file.format.mime())
        .await
        .map_err(|error| error.about(shown))?;
    Ok(Prepared {
        url: uploaded.download_url.into(),
        uploaded_ms: Some(clock.now_ms()),
        hash: Some(hash),
    })
}

/// Makes sure that a public address serves sound before anything is paid for: vendors take a dead one and fail later.
async fn check_source(client: &Client, url: &Url) -> Result<(), EffectError> {
    let mut download = client.download(url.as_str(), None, u64::MAX).await?;
    let mut head = Vec::new();
    while head.len() < SNIFFED_BYTES {
        match download.chunk().await? {
            Some(chunk) => head.extend_from_slice(&chunk),
            None => break,
        }
    }
    if backline_audio::sniff(&head).is_some() {
        return Ok(());
    }
    let what = download
        .content_type
        .unwrap_or_else(|| "no type".to_owned());
    Err(EffectError::ours(
        format!(
            "{} serves no recording but {what}",
            backline_api::redact_url(url.as_str())
        ),
        false,
    ))
}

/// Whether an error is for want of a place to write: the next file would meet the same.
fn lacks_space(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem
    )
}

fn hash_text(file: &StemFile) -> String {
    backline_api::hex(&file.hash)
}

impl From<CallError> for EffectError {
    fn from(error: CallError) -> Self {
        Self {
            class: error.class(),
            code: match error.kind() {
                CallErrorKind::Refused(refusal) => refusal.code,
                _ => error.http_status().map(i64::from),
            },
            message: error.to_string(),
            // A file's host may respond with 404 to a link that is a second too young.
            retryable: error.is_retryable() || error.http_status().is_some(),
            retry_after_ms: error.retry_after_ms(),
            no_descriptor: false,
            no_space: false,
        }
    }
}

impl EffectError {
    /// A file below `dir` that could not be worked on. Where the disk takes no file at all the message is the same for all of them.
    pub(super) fn of_file(dir: &Path, message: String, error: &std::io::Error) -> Self {
        let no_space = lacks_space(error);
        let message = match no_space {
            true => format!("could not write to {}: {error}", dir.display()),
            false => message,
        };
        Self {
            no_descriptor: lacks_descriptor(error),
            no_space,
            ..Self::ours(message, false)
        }
    }

    /// An error of this side: of a file, or of what was fetched.
    pub(super) fn ours(message: String, retryable: bool) -> Self {
        Self {
            class: ResponseClass::RefusedJob,
            code: None,
            message,
            retryable,
            retry_after_ms: None,
            no_descriptor: false,
            no_space: false,
        }
    }
}
