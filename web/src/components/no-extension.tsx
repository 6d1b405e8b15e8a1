/** The page of an agent who has no extension yet: there are no calls of theirs, and what to do about it. */

import { Paper } from "@mantine/core";
import { useI18n } from "../i18n/i18n";
import { EmptyState, Page } from "./page";

/** Stands in place of a page about calls. */
export function NoExtension({ page }: { page: "live" | "calls" }) {
  const { t } = useI18n();
  return (
    <Page title={t.pages[page]} about={t[page].about}>
      <Paper withBorder>
        <EmptyState icon="extension" title={t.calls.noExtensionTitle} text={t.calls.noExtensionText} />
      </Paper>
    </Page>
  );
}
