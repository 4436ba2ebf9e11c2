"""The typed client of jobs for operators, over all tenants."""

from comfyfleet.client.api import ControlPlane
from comfyfleet.core.jobs import JobStatus
from comfyfleet.protocol.envelope import Page
from comfyfleet.protocol.jobs import JobDetail, JobRow


class JobsPlane(ControlPlane):
    """The jobs of all tenants."""

    def search_jobs(
        self,
        text: str | None = None,
        *,
        status: JobStatus | None = None,
        fleet: str | None = None,
        effect: str | None = None,
        tenant: str | None = None,
        worker: str | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> Page[JobRow]:
        """Return a page of jobs, newest first; `text` is a number or words, `fleet` is `stage/slug`."""
        return self._get(
            Page[JobRow],
            "/api/admin/jobs",
            q=text,
            status=status,
            fleet=fleet,
            effect=effect,
            tenant=tenant,
            worker=worker,
            before=before,
            limit=limit,
        )

    def inspect_job(self, job_id: int) -> JobDetail:
        """Return a job of any tenant, with its files, attempts and timeline."""
        return self._get(JobDetail, f"/api/admin/jobs/{job_id}")

    def cancel_any_job(self, job_id: int) -> JobDetail:
        """Ask for a job of any tenant to be stopped; one that runs stops a little later."""
        return self._send(JobDetail, "POST", f"/api/admin/jobs/{job_id}/cancel")

    def retry_job(self, job_id: int) -> JobDetail:
        """Do a failed or canceled job again; return the new job."""
        return self._send(JobDetail, "POST", f"/api/admin/jobs/{job_id}/retry")
