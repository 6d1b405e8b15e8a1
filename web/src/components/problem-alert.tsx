/** A problem said plainly: what happened, what to do, and which fields are meant. */

import { Alert, Button, List, Stack, Text } from "@mantine/core";
import { ApiError } from "../api/problem";
import { type I18n, useI18n } from "../i18n/i18n";
import { knownProblem } from "../i18n/problems";
import { Icon } from "./icons";

/** The one sentence of a problem in the user's language: for a known kind ours, else the server's own words, or ours where it has none. */
export function problemText(error: unknown, { t, language }: Pick<I18n, "t" | "language">): string {
  if (!(error instanceof ApiError)) return t.problems.unexpected;
  if (error.isOffline) return t.problems.offline;
  const own = knownProblem(error.problem.type, language) || error.problem.detail || error.problem.title;
  if (own) return own;
  if (error.status === 403) return t.problems.forbidden;
  if (error.status === 404) return t.problems.notFound;
  return error.status >= 500 ? t.problems.server : t.problems.unexpected;
}

/** What stands below that sentence: the server's exact words where ours are shown above, and what to do. */
export function problemDetails(error: unknown, { language }: Pick<I18n, "language">): string[] {
  if (!(error instanceof ApiError)) return [];
  const { detail, type } = error.problem;
  return [...(detail && knownProblem(type, language) ? [detail] : []), ...(error.hint ? [error.hint] : [])];
}

/** Shows a problem where it happened, with a button to try again where that makes sense. */
export function ProblemAlert({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const i18n = useI18n();
  const { t } = i18n;
  const fields = error instanceof ApiError ? error.fields : [];
  return (
    <Alert color="red" variant="light" icon={<Icon name="warning" />} title={problemText(error, i18n)} role="alert">
      <Stack gap="xs" align="flex-start">
        {problemDetails(error, i18n).map((line) => (
          <Text key={line} size="sm">
            {line}
          </Text>
        ))}
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
