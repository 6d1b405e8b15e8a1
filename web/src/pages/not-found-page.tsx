/** What stands at an address that has no page, or none for this role. */

import { Button } from "@mantine/core";
import { Link } from "react-router";
import { EmptyState, Page } from "../components/page";
import { useI18n } from "../i18n/i18n";

/** Says that there is nothing here, and leads back. */
export function NotFoundPage() {
  const { t } = useI18n();
  return (
    <Page title={t.notFound.title}>
      <EmptyState
        icon="search"
        text={t.notFound.text}
        action={
          <Button component={Link} to="/" variant="default">
            {t.notFound.home}
          </Button>
        }
      />
    </Page>
  );
}
