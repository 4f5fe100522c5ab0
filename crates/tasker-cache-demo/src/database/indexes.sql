CREATE INDEX executions_by_time ON step_executions (started_at);
CREATE INDEX executions_by_step ON step_executions (template, namespace, step, status, duration_ms);
