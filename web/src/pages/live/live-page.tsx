/** The calls of this moment, and what an agent can do with them. */

import { Badge, Group, Stack, Text } from "@mantine/core";
import { isHeld, isRecording, ringingLegs, speakingLegs } from "../../api/calls";
import { useList } from "../../api/lists";
import type { Leg, LiveCall } from "../../api/types";
import { DirectionMark, Party } from "../../components/call-parts";
import { type Column, DataTable } from "../../components/data-table";
import { useNow } from "../../components/now";
import { EmptyState, Page } from "../../components/page";
import { clock, secondsBetween } from "../../i18n/format";
import { useI18n } from "../../i18n/i18n";
import { CallActions } from "./call-actions";
import { DialBox } from "./dial-box";
import { ForwardingButton } from "./forwarding-button";

/** Milliseconds between readings of the list; events bring changes sooner. */
const REFRESH_MS = 10_000;

/** The list of live calls with the box to dial from. */
export function LivePage() {
  const { t } = useI18n();
  const list = useList<LiveCall>("calls", {}, { refetchInterval: REFRESH_MS });
  const now = useNow((list.rows?.length ?? 0) > 0);

  const columns: Column<LiveCall>[] = [
    {
      key: "party",
      title: t.live.call,
      main: true,
      cell: (call) => (
        <Group gap="sm" wrap="nowrap">
          <DirectionMark direction={call.direction} />
          <Party number={call.from_number} name={call.from_name} />
          <span aria-hidden="true">→</span>
          <Party number={call.to_number} />
        </Group>
      ),
    },
    { key: "speaking", title: t.live.speaking, cell: (call) => <Speaking call={call} /> },
    { key: "state", title: t.fields.state, cell: (call) => <StateBadges call={call} /> },
    {
      key: "duration",
      title: t.fields.duration,
      align: "right",
      cell: (call) => <span className="digits">{clock(secondsBetween(call.answered_at ?? call.started_at, now))}</span>,
    },
    { key: "actions", title: t.common.actions, align: "right", cell: (call) => <CallActions call={call} /> },
  ];

  return (
    <Page title={t.pages.live} about={t.live.about} actions={
        <Group gap="xs" align="flex-start" className="call-out">
          <ForwardingButton />
          <DialBox />
        </Group>
      }>
      <DataTable
        label={t.pages.live}
        columns={columns}
        list={list}
        rowKey={(call) => call.id}
        empty={<EmptyState icon="live" title={t.live.emptyTitle} text={t.live.emptyText} />}
      />
    </Page>
  );
}

function partyName(leg: Leg): string {
  const number = leg.extension || leg.number;
  return leg.name && leg.name !== number ? `${leg.name} (${number})` : number;
}

function Speaking({ call }: { call: LiveCall }) {
  const { t } = useI18n();
  const speaking = speakingLegs(call);
  const ringing = ringingLegs(call.legs);
  return (
    <Stack gap={0}>
      {speaking.length > 1 && <Text size="sm">{speaking.map(partyName).join(" ↔ ")}</Text>}
      {speaking.length < 2 && ringing.length === 0 && (
        <Text size="sm" c="dimmed">
          {t.live.nobodySpeaks}
        </Text>
      )}
      {ringing.length > 0 && (
        <Text size="sm" c="dimmed">
          {t.live.ringsAt(ringing.map(partyName).join(", "))}
        </Text>
      )}
    </Stack>
  );
}

const stateColours: Record<LiveCall["state"], string> = {
  routing: "blue",
  ringing: "blue",
  talking: "teal",
  held: "yellow",
  transferring: "yellow",
  ended: "gray",
};

function StateBadges({ call }: { call: LiveCall }) {
  const { t } = useI18n();
  const held = isHeld(call);
  return (
    <Group gap={4} wrap="wrap">
      <Badge variant="light" size="sm" color={held ? "yellow" : stateColours[call.state]}>
        {held && call.state !== "transferring" ? t.states.held : t.states[call.state]}
      </Badge>
      {isRecording(call) && (
        <Badge variant="light" size="sm" color="red">
          {t.live.recording}
        </Badge>
      )}
    </Group>
  );
}
