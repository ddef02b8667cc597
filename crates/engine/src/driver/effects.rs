//! What the conductor wants done, as futures: each ends in one input and never panics.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use backline_api::{
    AnswerClass, CallError, CallErrorKind, Client, SubmitOutcome, TaskId, UploadName, UploadSource,
    lacks_descriptor,
};
use url::Url;

use super::keep::{FetchRequest, Keeper};
use super::shell::Message;
use super::{Clock, Run};
use crate::conductor::{EffectError, Input, Prepared};
use crate::event::{Moment, Part, Token};
use crate::hooks::{HookFailure, HookPoint, OnError};
use crate::plan::{Plan, StemFile, StemSource};
use crate::store::{Store, Upload};

/// The address that a vendor without a way back is given: callbacks to it go nowhere and harm nobody.
const NO_CALLBACK: &str = "https://example.com/no-callback";

/// The folder at the vendor's that stems are uploaded to.
const UPLOAD_FOLDER: &str = "backline/stems";

/// As much of a public stem as tells what it is.
const SNIFFED_BYTES: usize = 4096;

pub(super) struct Effects {
    client: Arc<Client>,
    plan: Arc<Plan>,
    keeper: Arc<Keeper>,
    clock: Clock,
    callbacks: Option<Url>,
    /// Stem → its address at the vendor's, in this run.
    addresses: Arc<Mutex<HashMap<usize, String>>>,
}

impl Effects {
    pub(super) fn new(run: &Run, client: Client, callbacks: Option<Url>, clock: Clock) -> Self {
        let client = Arc::new(client);
        Self {
            keeper: Arc::new(Keeper::new(
                client.clone(),
                run.plan.clone(),
                run.project_dir.clone(),
            )),
            client,
            plan: run.plan.clone(),
            clock,
            callbacks,
            addresses: Arc::default(),
        }
    }

    /// An upload of an earlier run that is young enough to be used. A provider on this machine may have begun anew since.
    pub(super) fn kept_upload(
        &self,
        stem: usize,
        store: &dyn Store,
        account: &str,
    ) -> Option<Upload> {
        let StemSource::File(file) = &self.plan.stems[stem].source else {
            return None;
        };
        let profile = &self.plan.provider.profile;
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
    pub(super) fn upload_hash(&self, stem: usize) -> Option<String> {
        match &self.plan.stems[stem].source {
            StemSource::File(file) => Some(hash_text(file)),
            StemSource::Url(_) => None,
        }
    }

    /// What is to be remembered of an upload; an address that carries a signature is for this run only.
    pub(super) fn upload_to_keep(
        &self,
        stem: usize,
        prepared: &Prepared,
        account: &str,
    ) -> Option<Upload> {
        let url = lock(&self.addresses).get(&stem).cloned()?;
        let plain = Url::parse(&url).is_ok_and(|url| url.query().is_none());
        let (hash, at_ms) = (prepared.hash.clone()?, prepared.uploaded_ms?);
        plain.then(|| Upload {
            hash,
            account: account.to_owned(),
            url,
            at_ms,
        })
    }

    /// Uploads a stem, or checks that its public address serves audio.
    pub(super) fn prepare(
        &self,
        stem: usize,
        kept: Option<Upload>,
    ) -> impl Future<Output = Message> + Send + use<> {
        let (client, plan, clock) = (self.client.clone(), self.plan.clone(), self.clock.clone());
        let addresses = self.addresses.clone();
        async move {
            let result = match (&plan.stems[stem].source, kept) {
                (_, Some(upload)) => Ok((
                    upload.url,
                    Prepared {
                        uploaded_ms: Some(upload.at_ms),
                        hash: None,
                    },
                )),
                (StemSource::Url(url), None) => match check_source(&client, url).await {
                    Ok(()) => Ok((
                        url.to_string(),
                        Prepared {
                            uploaded_ms: None,
                            hash: None,
                        },
                    )),
                    Err(trouble) => Err(trouble),
                },
                (StemSource::File(file), None) => upload(&client, file, &clock).await,
            };
            let result = result.map(|(url, prepared)| {
                lock(&addresses).insert(stem, url);
                prepared
            });
            Message::Input(Input::Prepared { stem, result })
        }
    }

    /// Writes the request of an attempt. It is written once: nothing here tries again.
    pub(super) fn submit(
        &self,
        slot: usize,
        stem: usize,
        attempt: u32,
        token: Token,
    ) -> impl Future<Output = Message> + Send + use<> {
        let (client, plan) = (self.client.clone(), self.plan.clone());
        let address = lock(&self.addresses).get(&stem).cloned();
        let callback = self.callback_url(&token);
        async move {
            let outcome = match address {
                Some(address) => {
                    let request = plan.jobs[slot].settings.request(address, callback);
                    client.submit(&request, token.expose()).await
                }
                None => SubmitOutcome::NotSent {
                    reason: "the stem has no address yet".to_owned(),
                },
            };
            Message::Input(Input::Answered {
                slot,
                attempt,
                outcome,
            })
        }
    }

    fn callback_url(&self, token: &Token) -> String {
        match &self.callbacks {
            Some(base) => format!("{}/{}", base.as_str().trim_end_matches('/'), token.expose()),
            None => NO_CALLBACK.to_owned(),
        }
    }

    /// Asks for a task's state.
    pub(super) fn view(
        &self,
        slot: usize,
        task: TaskId,
    ) -> impl Future<Output = Message> + Send + use<> {
        let client = self.client.clone();
        async move {
            let result = client
                .record_info(&task)
                .await
                .map_err(|error| effect_error(&error));
            Message::Input(Input::Viewed { slot, task, result })
        }
    }

    /// Fetches one file of a track and keeps it.
    pub(super) fn fetch(
        &self,
        (slot, index, part): (usize, u32, Part),
        want: Option<FetchRequest>,
    ) -> impl Future<Output = Message> + Send + use<> {
        let (keeper, plan) = (self.keeper.clone(), self.plan.clone());
        async move {
            let result = match want {
                Some(want) => keeper.keep(&want).await,
                None => Err(EffectError::ours("the job has no task".to_owned(), false)),
            };
            let (result, problem) = match result {
                Ok((file, problem)) => (Ok(file), problem),
                Err(trouble) => (Err(trouble), None),
            };
            let input = Input::Fetched {
                slot,
                index,
                part,
                result,
            };
            match problem {
                Some(problem) => Message::Hooked {
                    about: plan.jobs[slot].key,
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

/// Uploads a stem's file under a name that its content decides: the same name never means another content.
async fn upload(
    client: &Client,
    file: &StemFile,
    clock: &Clock,
) -> Result<(String, Prepared), EffectError> {
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
    let trouble_with =
        |what: String| EffectError::ours(format!("{} {what}", path.display()), false);
    match unchanged.await {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => {
            return Err(trouble_with("has changed since it was planned".to_owned()));
        }
        Ok(Err(error)) => return Err(trouble_with(format!("can't be read: {error}"))),
        Err(error) => return Err(trouble_with(format!("could not be checked: {error}"))),
    }
    let name = UploadName {
        folder: UPLOAD_FOLDER.to_owned(),
        file_name: format!("{hash}.{}", file.format.extension()),
    };
    let source = UploadSource::File(path);
    let uploaded = client
        .upload_stream(source, &name, file.format.mime())
        .await
        .map_err(|error| effect_error(&error))?;
    Ok((
        uploaded.download_url,
        Prepared {
            uploaded_ms: Some(clock.now_ms()),
            hash: Some(hash),
        },
    ))
}

/// Makes sure that a public address serves sound before anything is paid for: vendors take a dead one and fail later.
async fn check_source(client: &Client, url: &Url) -> Result<(), EffectError> {
    let mut download = client
        .download(url.as_str(), None, u64::MAX)
        .await
        .map_err(|error| effect_error(&error))?;
    let mut head = Vec::new();
    while head.len() < SNIFFED_BYTES {
        match download
            .chunk()
            .await
            .map_err(|error| effect_error(&error))?
        {
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

fn hash_text(file: &StemFile) -> String {
    file.hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A failed call in the conductor's words.
pub(super) fn effect_error(error: &CallError) -> EffectError {
    EffectError {
        class: error.class(),
        code: match error.kind() {
            CallErrorKind::Refused(refusal) => refusal.code,
            _ => error.http_status().map(i64::from),
        },
        message: error.to_string(),
        // A file's host may answer 404 to a link that is a second too young.
        retryable: error.is_retryable() || error.http_status().is_some(),
        retry_after_ms: error.retry_after_ms(),
        no_descriptor: false,
    }
}

impl EffectError {
    /// A file of ours that could not be worked on.
    pub(super) fn of_file(message: String, error: &std::io::Error) -> Self {
        Self {
            no_descriptor: lacks_descriptor(error),
            ..Self::ours(message, false)
        }
    }

    /// A trouble on this side: with a file, or with what was fetched.
    pub(super) fn ours(message: String, retryable: bool) -> Self {
        Self {
            class: AnswerClass::RefusedJob,
            code: None,
            message,
            retryable,
            retry_after_ms: None,
            no_descriptor: false,
        }
    }
}
