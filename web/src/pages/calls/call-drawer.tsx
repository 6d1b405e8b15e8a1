/** One past call in full: who and when, its recording, how it went, what it cost, and whom it concerns. */

import { Divider, Drawer, Group, Skeleton, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { useOne } from "../../api/lists";
import type { Cdr } from "../../api/types";
import { DirectionMark, DispositionBadge, Party } from "../../components/call-parts";
import { Facts } from "../../components/facts";
import { RecordingPlayer } from "../../components/player/recording-player";
import { ProblemAlert } from "../../components/problem-alert";
import { clock } from "../../i18n/format";
import { useI18n } from "../../i18n/i18n";
import { useSession } from "../../session/session";
import { BillTable } from "./bill-table";
import { LegTimeline } from "./leg-timeline";
import { LinkedPeople } from "./linked-people";
import { SipTrace } from "./sip-trace";

/** The drawer is open while there is an id. */
export function CallDrawer({ id, onClose }: { id: string | undefined; onClose: () => void }) {
  const { t } = useI18n();
  const call = useOne<Cdr>("cdrs", id);
  return (
    <Drawer
      opened={Boolean(id)}
      onClose={onClose}
      size="min(780px, 100vw)"
      title={<Text fw={650}>{t.calls.details}</Text>}
      closeButtonProps={{ "aria-label": t.common.close }}
    >
      {call.error ? (
        <ProblemAlert error={call.error} onRetry={() => void call.refetch()} />
      ) : call.data ? (
        <Details call={call.data} />
      ) : (
        <Stack>
          <Skeleton height={24} width="60%" />
          <Skeleton height={110} />
          <Skeleton height={170} />
        </Stack>
      )}
    </Drawer>
  );
}

function Details({ call }: { call: Cdr }) {
  const { t, f } = useI18n();
  const { may } = useSession();
  return (
    <Stack gap="lg">
      <Stack gap="xs">
        <Group gap="md">
          <Group gap="sm" wrap="nowrap">
            <Party number={call.from_number} name={call.from_name} />
            <span aria-hidden="true">→</span>
            <Party number={call.to_number} />
          </Group>
          <DispositionBadge disposition={call.disposition} />
        </Group>
        <Facts
          facts={[
            [t.fields.direction, <DirectionMark key="direction" direction={call.direction} withText />],
            [t.fields.started, f.dateTime(call.started_at)],
            [t.fields.answered, call.answered_at ? f.time(call.answered_at) : "—"],
            [t.fields.ended, call.ended_at ? f.time(call.ended_at) : "—"],
            [t.fields.talkTime, clock(call.talk_seconds)],
          ]}
        />
      </Stack>
      {call.recording_id && (
        <Section title={t.calls.recording}>
          <RecordingPlayer id={call.recording_id} />
        </Section>
      )}
      <Section title={t.calls.course}>
        <LegTimeline call={call} />
      </Section>
      <Section title={t.calls.bill}>
        <BillTable charges={call.charges} />
      </Section>
      <Section title={t.calls.customer}>
        <LinkedPeople call={call} />
      </Section>
      {may("calls", "trace") && (
        <Section title={t.calls.trace.title}>
          <SipTrace id={call.call_id} />
        </Section>
      )}
      <Text size="xs" c="dimmed">
        {t.calls.id} <span className="mono">{call.call_id}</span>
      </Text>
    </Stack>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Stack gap="xs" component="section" aria-label={title}>
      <Divider label={title} labelPosition="left" />
      {children}
    </Stack>
  );
}
