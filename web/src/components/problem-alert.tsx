/** A problem said plainly: what happened, what to do, and which fields are meant. */

import { Alert, Button, List, Stack, Text } from "@mantine/core";
import { ApiError } from "../api/problem";
import type { Dictionary } from "../i18n/en";
import { useI18n } from "../i18n/i18n";
import { Icon } from "./icons";

/** The one sentence of a problem: the server's own words, or ours where it has none. */
export function problemText(error: unknown, t: Dictionary): string {
  if (!(error instanceof ApiError)) return t.problems.unexpected;
  if (error.isOffline) return t.problems.offline;
  const own = error.problem.detail || error.problem.title;
  if (own) return own;
  if (error.status === 403) return t.problems.forbidden;
  if (error.status === 404) return t.problems.notFound;
  return error.status >= 500 ? t.problems.server : t.problems.unexpected;
}

/** Shows a problem where it happened, with a button to try again where that makes sense. */
export function ProblemAlert({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useI18n();
  const hint = error instanceof ApiError ? error.hint : "";
  const fields = error instanceof ApiError ? error.fields : [];
  return (
    <Alert color="red" variant="light" icon={<Icon name="warning" />} title={problemText(error, t)} role="alert">
      <Stack gap="xs" align="flex-start">
        {hint && <Text size="sm">{hint}</Text>}
        {fields.length > 0 && (
          <List size="sm">
            {fields.map((entry) => (
              <List.Item key={`${entry.field}:${entry.message}`}>
                {entry.field ? `${entry.field}: ` : ""}
                {entry.message}
              </List.Item>
            ))}
          </List>
        )}
        {onRetry && (
          <Button size="compact-sm" variant="default" onClick={onRetry}>
            {t.common.retry}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}
