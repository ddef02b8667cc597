//! The meaning of response codes for each call: 404 to a submission is a wrong path, 404 to a details request is one unknown
//! task.
//!
//! Every call has one [`CodeTable`]. Sources: the vendors' pages ("documented"), recorded traffic ("observed") and RFC 9110 for
//! the HTTP statuses. A vendor is data: [`Profile`] has the tables, and a manifest may override single codes.

use std::collections::BTreeMap;

use crate::ResponseClass;

/// A call of the contract. The meaning of a code depends on the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiCall {
    /// The submission: the only call that buys.
    Submit,
    /// The details of one task.
    Details,
    /// The account's balance.
    Credits,
    /// An upload of a recording.
    Upload,
    /// The file of a result at its host, or the link to it.
    Download,
}

impl ApiCall {
    /// All calls.
    pub const ALL: [Self; 5] = [
        Self::Submit,
        Self::Details,
        Self::Credits,
        Self::Upload,
        Self::Download,
    ];

    /// Its name in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Details => "details",
            Self::Credits => "credits",
            Self::Upload => "upload",
            Self::Download => "download",
        }
    }
}

/// The meaning of the codes of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeTable {
    /// Classes by the code in a body.
    pub codes: BTreeMap<i64, ResponseClass>,
    /// Classes by the HTTP status, used if the body has no listed code.
    pub http_statuses: BTreeMap<u16, ResponseClass>,
    /// The class of an unlisted code from 400 to 499 in a JSON body: the call was understood and refused.
    pub refused_code: ResponseClass,
    /// The class of an unlisted HTTP status from 400 to 499 without a JSON body.
    pub refused_status: ResponseClass,
}

impl CodeTable {
    /// The class of a response that is not a success. `code` is the code in the body.
    pub fn class(&self, http_status: u16, code: Option<i64>) -> ResponseClass {
        let by_code = code.and_then(|code| self.codes.get(&code).copied());
        let by_status = || self.http_statuses.get(&http_status).copied();
        let unlisted = || match code {
            Some(code) if (400..500).contains(&code) => Some(self.refused_code),
            None if (400..500).contains(&http_status) => Some(self.refused_status),
            _ => None,
        };
        by_code
            .or_else(by_status)
            .or_else(unlisted)
            .unwrap_or(ResponseClass::InDoubt)
    }
}

/// The tables of the calls that do not depend on the operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeTables {
    /// See [`ApiCall::Credits`].
    pub credits: CodeTable,
    /// See [`ApiCall::Upload`].
    pub upload: CodeTable,
    /// See [`ApiCall::Download`].
    pub download: CodeTable,
}

impl CodeTables {
    /// The tables that vendors share.
    pub(crate) fn shared() -> Self {
        Self {
            credits: credits(),
            upload: upload(),
            download: download(),
        }
    }
}

/// Codes that mean the same for every call, because they are about the account. Unlisted codes from 500 on are in doubt.
fn common_codes() -> BTreeMap<i64, ResponseClass> {
    use ResponseClass::{InDoubt, RefusedJob, RefusedRun, StopForCredits, Wait, WaitLong};
    BTreeMap::from([
        (400, RefusedJob),     // invalid parameters
        (401, RefusedRun),     // unauthorized
        (402, StopForCredits), // insufficient credits
        (408, InDoubt),        // the upstream did not respond for ten minutes
        (413, RefusedJob),     // too long
        (422, RefusedJob),     // validation
        (429, Wait),           // called too often
        (430, Wait),           // called too often
        (455, WaitLong),       // maintenance
        (500, InDoubt),        // server error
    ])
}

/// Classes of the HTTP statuses. Unless its class is in doubt, a status proves that no server on the way carried out the
/// request. A bare 429 comes from the vendor's front end, which counts requests and knows nothing of credits. A bare 405 is the
/// page of a front end that rejects the request (observed; RFC 9110, 15.5.6), not a rate limit. A moved address (301, 307, 308)
/// was not followed: a submission follows no redirect. In doubt: a conflict (409) does not prove that this request was not
/// carried out, and servers send 408 and 499 after they have passed the request on.
fn common_statuses() -> BTreeMap<u16, ResponseClass> {
    use ResponseClass::{InDoubt, RefusedJob, RefusedRun, StopForCredits, Wait, WaitLong};
    BTreeMap::from([
        (301, RefusedRun),
        (307, RefusedRun),
        (308, RefusedRun),
        (400, RefusedJob),
        (401, RefusedRun),
        (402, StopForCredits),
        (403, RefusedRun),
        (404, RefusedRun),
        (405, RefusedRun),
        (406, InDoubt), // the response may exist and not be acceptable
        (407, RefusedRun),
        (408, InDoubt),
        (409, InDoubt),
        (410, RefusedRun),
        (411, RefusedRun),
        (413, RefusedJob),
        (414, RefusedJob),
        (415, RefusedRun),
        (421, RefusedRun),
        (422, RefusedJob),
        (425, Wait),
        (426, RefusedRun),
        (429, Wait),
        (430, Wait),
        (431, RefusedRun),
        (451, RefusedJob),
        (455, WaitLong),
        (460, InDoubt), // a load balancer whose client closed the connection
        (499, InDoubt), // nginx: the client closed the connection, the upstream continues
    ])
}

pub(crate) fn submit() -> CodeTable {
    use ResponseClass::{InDoubt, Refunded, RefusedJob, RefusedRun, SourceGone, TaskFailed};
    let mut codes = common_codes();
    codes.extend([
        (404, RefusedRun), // no such method or path
        (409, InDoubt),    // conflict, perhaps with this very request
        (451, SourceGone), // the source could not be fetched
        (501, TaskFailed), // generation failed
        (505, RefusedRun), // the feature is turned off
        (531, Refunded),   // failed, credits given back
    ]);
    CodeTable {
        codes,
        http_statuses: common_statuses(),
        // 433 and others (observed): a refusal in the contract's own form bought nothing.
        refused_code: RefusedJob,
        // A page instead of the API: the next job would get the same.
        refused_status: RefusedRun,
    }
}

/// The envelope may contain the failure of one task (501, 531, 451, 413), and one task may be forgotten (404) or belong to
/// another key (403). None of these says anything about the run. A details request costs nothing, so 402 and 505 only mean "not
/// now".
pub(crate) fn details() -> CodeTable {
    use ResponseClass::{InDoubt, Refunded, TaskFailed, UnknownTask, WaitLong};
    let mut codes = common_codes();
    codes.extend([
        (402, WaitLong),
        (403, UnknownTask),
        (404, UnknownTask),
        (413, TaskFailed), // the audio matches an existing work
        (451, TaskFailed),
        (501, TaskFailed),
        (505, WaitLong),
        (531, Refunded),
    ]);
    let mut http_statuses = common_statuses();
    http_statuses.extend([
        (402, WaitLong),
        (403, InDoubt),
        (404, UnknownTask),
        (405, InDoubt),
        (410, UnknownTask),
        (451, InDoubt),
    ]);
    CodeTable {
        codes,
        http_statuses,
        refused_code: InDoubt,
        refused_status: InDoubt,
    }
}

fn credits() -> CodeTable {
    use ResponseClass::{InDoubt, RefusedRun, WaitLong};
    let mut codes = common_codes();
    codes.extend([(404, RefusedRun), (505, WaitLong)]);
    CodeTable {
        codes,
        http_statuses: common_statuses(),
        refused_code: InDoubt,
        refused_status: InDoubt,
    }
}

/// Uploads are free and safe to repeat. The upload host is not the API host.
fn upload() -> CodeTable {
    use ResponseClass::{RefusedJob, RefusedRun};
    let mut codes = common_codes();
    codes.extend([(404, RefusedRun), (451, RefusedJob)]);
    CodeTable {
        codes,
        http_statuses: common_statuses(),
        refused_code: RefusedJob,
        refused_status: RefusedRun,
    }
}

/// A file's host is not part of the provider: a refusal concerns this file alone. It may refuse a link that is a second too
/// young.
fn download() -> CodeTable {
    use ResponseClass::{RefusedJob, Wait};
    let mut codes = common_codes();
    codes.extend([(401, RefusedJob), (402, RefusedJob)]);
    CodeTable {
        codes,
        http_statuses: BTreeMap::from([(408, Wait), (425, Wait), (429, Wait)]),
        refused_code: RefusedJob,
        refused_status: RefusedJob,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;

    #[test]
    fn a_code_means_what_its_call_makes_of_it() {
        use ResponseClass::*;
        #[track_caller]
        fn check(
            http_status: u16,
            code: Option<i64>,
            [submit, details, credits, upload, download]: [ResponseClass; 5],
        ) {
            let profile = Profile::sunoapi();
            let found = ApiCall::ALL.map(|call| profile.codes(call).class(http_status, code));
            let expected = [submit, details, credits, upload, download];
            assert_eq!(found, expected, "HTTP {http_status}, code {code:?}");
        }
        let all = |class| [class; 5];
        // One forgotten task ends no run.
        let unknown = [RefusedRun, UnknownTask, RefusedRun, RefusedRun, RefusedJob];
        check(200, Some(404), unknown);
        check(404, None, unknown);
        // The rate limit in a body, and the page of a front.
        check(200, Some(405), all(Wait));
        check(
            405,
            None,
            [RefusedRun, InDoubt, RefusedRun, RefusedRun, RefusedJob],
        );
        // Unlisted codes: a refusal in the contract's form bought nothing.
        check(
            200,
            Some(433),
            [RefusedJob, InDoubt, InDoubt, RefusedJob, RefusedJob],
        );
        check(
            433,
            None,
            [RefusedRun, InDoubt, InDoubt, RefusedRun, RefusedJob],
        );
        for code in [500, 502, 524, 999, 0, -1, 302] {
            check(200, Some(code), all(InDoubt));
        }
        for status in [200, 302, 500, 502, 503, 524] {
            check(status, None, all(InDoubt));
        }
        for status in [408, 499] {
            let file = if status == 408 { Wait } else { RefusedJob };
            check(status, None, [InDoubt, InDoubt, InDoubt, InDoubt, file]);
        }
        check(
            200,
            Some(451),
            [SourceGone, TaskFailed, InDoubt, RefusedJob, RefusedJob],
        );
        check(
            200,
            Some(531),
            [Refunded, Refunded, InDoubt, InDoubt, InDoubt],
        );
        // Credits are missing for purchases alone.
        check(200, Some(429), [StopForCredits, Wait, Wait, Wait, Wait]);
        assert_eq!(
            Profile::kie().codes(ApiCall::Submit).class(200, Some(429)),
            Wait
        );
    }
}
