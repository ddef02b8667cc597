//! Requests for the details of tasks.

use url::Url;

use super::{CallError, CallSubject, Client, endpoint};
use crate::{ApiCall, Operation, RecordInfo, Refusal, StepView, TaskId, TaskView};

impl Client {
    /// Requests the details of a task. A failed or unknown task is a normal view, not an error.
    pub async fn record_info(&self, task: &TaskId) -> Result<TaskView, CallError> {
        let read = |status, body: &[u8]| self.profile.read_record_info(status, body, task);
        self.details(
            "read the details of task",
            &self.profile.operation,
            task,
            read,
        )
        .await
    }

    /// Requests the details of a task of any operation. A failed or unknown task is a normal view, not an error.
    pub async fn step_details(
        &self,
        operation: &Operation,
        task: &TaskId,
    ) -> Result<StepView, CallError> {
        let read = |status, body: &[u8]| operation.read_step_details(status, body, task);
        self.details("read the details of task", operation, task, read)
            .await
    }

    /// Returns the request that created a task, as JSON text; `None` if the task or its request is unknown.
    pub async fn request_of(&self, task: &TaskId) -> Result<Option<String>, CallError> {
        let read = |status, body: &[u8]| self.profile.read_data(ApiCall::Details, status, body);
        let data = self
            .details(
                "read the request of task",
                &self.profile.operation,
                task,
                read,
            )
            .await?;
        let param = RecordInfo::read(&data).map(|details| details.param);
        Ok(param.filter(|text| !text.is_empty()))
    }

    async fn details<T>(
        &self,
        call: &'static str,
        operation: &Operation,
        task: &TaskId,
        read: impl FnOnce(u16, &[u8]) -> Result<T, Refusal>,
    ) -> Result<T, CallError> {
        let call = CallSubject {
            operation: call,
            subject: task.to_string(),
        };
        let request = self.api.get(self.details_url(operation, task));
        let response = self.call(&call, request).await?;
        self.read(&call, response, read).await
    }

    fn details_url(&self, operation: &Operation, task: &TaskId) -> Url {
        let mut url = endpoint(&self.profile.base_url, &operation.details_path);
        url.query_pairs_mut()
            .append_pair(operation.details_query, task.as_str());
        url
    }
}
