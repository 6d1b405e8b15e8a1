/** What phones and trunks said about a call in SIP, as a ladder; for administrators. */

import { Box, Button, Group, Skeleton, Stack, Switch } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { address, getText } from "../../api/client";
import { ProblemAlert } from "../../components/problem-alert";
import { useI18n } from "../../i18n/i18n";

/** Loads the trace only when it is asked for: the server has to search its files. */
export function SipTrace({ id }: { id: string }) {
  const { t } = useI18n();
  const [wanted, setWanted] = useState(false);
  const [whole, setWhole] = useState(false);
  const path = `/calls/${id}/trace`;
  const trace = useQuery({
    queryKey: ["trace", id, whole],
    queryFn: () => getText(path, { format: "text", whole }),
    enabled: wanted,
    retry: false,
  });
  return (
    <Stack gap="xs">
      <Group gap="md">
        {!wanted && (
          <Button variant="default" size="xs" onClick={() => setWanted(true)}>
            {t.calls.trace.show}
          </Button>
        )}
        {wanted && (
          <Switch
            size="xs"
            label={t.calls.trace.whole}
            checked={whole}
            onChange={(event) => setWhole(event.currentTarget.checked)}
          />
        )}
        <Button variant="default" size="xs" component="a" href={address(path, { format: "pcap" })} download>
          {t.calls.trace.download}
        </Button>
      </Group>
      {wanted && trace.isPending && <Skeleton height={120} />}
      {trace.error && <ProblemAlert error={trace.error} onRetry={() => void trace.refetch()} />}
      {trace.data && (
        <Box component="pre" className="ladder" tabIndex={0} role="region" aria-label={t.calls.trace.ladder}>
          {trace.data}
        </Box>
      )}
    </Stack>
  );
}
