"""Fills a database: as much as a large installation has after a year."""

import asyncpg

JOBS, ASSETS, WORKERS = 100_000, 10_000, 1_000

_STATEMENTS = (
    "INSERT INTO tenants (slug, name) SELECT 'tenant-' || n, 'Tenant ' || n FROM generate_series(1, 200) n",
    """INSERT INTO comfyui_gpu_fleets (slug, stage, name)
       SELECT 'gpu-' || n, 'local', 'Fleet ' || n FROM generate_series(1, 20) n""",
    """INSERT INTO workflows (slug, name, description, is_active, comfyui_workflow_path, graph, output_node_id,
                              output_extension, output_mime_type, properties, version, updated_at)
       SELECT 'flow-' || n, 'Workflow ' || n, '', true, 'workflows/x', w.graph, w.output_node_id, w.output_extension,
              w.output_mime_type, w.properties, 1, now()
       FROM generate_series(1, 200) n, (SELECT * FROM workflows ORDER BY id LIMIT 1) w""",
    """INSERT INTO fleet_workflows (fleet_id, workflow_id)
       SELECT f.id, w.id FROM comfyui_gpu_fleets f, workflows w WHERE w.id % 20 = f.id % 20 ON CONFLICT DO NOTHING""",
    """INSERT INTO effects (slug, name, description, workflow_id, property_overrides, credits_cost, is_active, position,
                            is_test)
       SELECT 'effect-' || id, 'Effect ' || id, 'What it does', id, '{}', 2, true, id, false FROM workflows""",
    """INSERT INTO workers (worker_id, fleet_id, status, registration_source, capabilities, max_concurrency,
                            registered_at, last_seen_at, figures)
       SELECT 'i-' || lpad(n::text, 17, '0'), f.ids[1 + n % array_length(f.ids, 1)],
              CASE WHEN n % 7 = 0 THEN 'lost' ELSE 'active' END, 'fleet', '{"comfyui_version": "0.33.0"}', 1, now(),
              now() - n * interval '1 second', '{}'
       FROM generate_series(1, $workers) n, (SELECT array_agg(id) ids FROM comfyui_gpu_fleets) f""",
    """INSERT INTO jobs (tenant_id, effect_id, fleet_id, status, request_hash, priority, values, words, graph, files,
                         output_node_id, output_extension, output_mime_type, credits_cost, attempt, max_attempts,
                         worker_id, lease_token_hash, lease_expires_at, progress, is_cancel_requested, error_message,
                         created_at, queued_at, available_at, leased_at, started_at, finished_at)
       SELECT t.ids[1 + n % array_length(t.ids, 1)], e.ids[1 + n % array_length(e.ids, 1)],
              f.ids[1 + n % array_length(f.ids, 1)], s.status, md5(n::text), 0, '{"prompt": "a cat on a mat"}',
              'a cat on a mat number ' || n, w.graph, '[]', '9', 'mp4', 'video/mp4', 2, 1, 3,
              CASE WHEN s.status <> 'queued' THEN k.ids[1 + n % array_length(k.ids, 1)] END,
              CASE WHEN s.status = 'processing' THEN md5(n::text) END,
              CASE WHEN s.status = 'processing' THEN now() + interval '1 hour' END, 0, false,
              CASE WHEN s.status = 'failed' THEN 'Out of memory at node 9' END,
              now() - ($jobs - n) * interval '20 seconds', now() - ($jobs - n) * interval '20 seconds', now(),
              now() - ($jobs - n) * interval '20 seconds', now() - ($jobs - n) * interval '20 seconds',
              CASE WHEN s.status NOT IN ('queued', 'processing') THEN now() - ($jobs - n) * interval '20 seconds' END
       FROM generate_series(1, $jobs) n,
            LATERAL (SELECT CASE WHEN n > $jobs - 300 THEN 'queued' WHEN n > $jobs - 900 THEN 'processing'
                                 WHEN n % 50 = 0 THEN 'failed' WHEN n % 90 = 0 THEN 'canceled' ELSE 'completed' END
                     AS status) s,
            (SELECT array_agg(id) ids FROM tenants) t, (SELECT array_agg(id) ids FROM effects) e,
            (SELECT array_agg(id) ids FROM comfyui_gpu_fleets) f, (SELECT array_agg(id) ids FROM workers) k,
            (SELECT graph FROM workflows ORDER BY id LIMIT 1) w""",
    """INSERT INTO job_events (job_id, at, event, attempt, detail) SELECT id, queued_at, 'queued', 0, '' FROM jobs""",
    """INSERT INTO credit_entries (tenant_id, kind, amount, job_id, reason)
       SELECT tenant_id, 'reserve', 2, id, '' FROM jobs""",
    """INSERT INTO credit_entries (tenant_id, kind, amount, job_id, reason)
       SELECT tenant_id, 'consume', 2, id, '' FROM jobs WHERE status = 'completed'""",
    """INSERT INTO assets (sha256, kind, size, head_sha256, object_key, notes, license, inspection, is_quarantined,
                           created_by)
       SELECT encode(sha256(n::text::bytea), 'hex'), (ARRAY['checkpoint', 'lora', 'vae', 'controlnet'])[1 + n % 4],
              n * 1000003::bigint, md5(n::text), 'assets/x/' || n, 'a note', '', '{"format": "safetensors"}',
              n % 500 = 0, 'bench'
       FROM generate_series(1, $assets) n""",
    "INSERT INTO asset_names (asset_id, filename) SELECT id, 'model-' || id || '.safetensors' FROM assets",
    """INSERT INTO bundles (id, name, version, manifest_sha256, manifest_size, total_bytes, entry_count, created_by,
                            created_at)
       SELECT gen_random_uuid(), 'bundle-' || n % 100, 1 + n / 100, md5(n::text), 1, 1000000, 40, 'bench',
              now() - n * interval '1 minute'
       FROM generate_series(0, 499) n""",
    """INSERT INTO bundle_entries (bundle_id, position, asset_id, kind, sha256, size, asset_s3_key, original_filename,
                                   target_path, action)
       SELECT b.id, p, a.id, a.kind, a.sha256, a.size, a.object_key, 'model.safetensors', 'models/loras/m-' || p, 'copy'
       FROM (SELECT id, row_number() OVER () AS nth FROM bundles) b, generate_series(0, 39) p,
            LATERAL (SELECT * FROM assets WHERE id = 1 + (b.nth * 40 + p) % 5000) a""",
    """INSERT INTO audit_entries (at, actor, tenant_id, action, subject, detail)
       SELECT now() - n * interval '1 minute', 'somebody@example.com', t.id, 'asset.add', 'subject-' || n, '{}'
       FROM generate_series(1, 50000) n, (SELECT id FROM tenants LIMIT 1) t""",
    "VACUUM ANALYZE",
)


async def fill(url: str) -> None:
    """Write it all by SQL, in some seconds."""
    connection = await asyncpg.connect(url)
    try:
        for statement in _STATEMENTS:
            text = statement.replace("$jobs", str(JOBS)).replace("$assets", str(ASSETS))
            await connection.execute(text.replace("$workers", str(WORKERS)))
    finally:
        await connection.close()
