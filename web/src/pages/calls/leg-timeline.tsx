/** How a call went: a bar for each leg in time, and below it the chain of transfers. */

import { Badge, Group, List, Stack, Text } from "@mantine/core";
import { type TimelineBar, timeline } from "../../api/calls";
import { useExtensionNames } from "../../api/extensions";
import type { Cdr } from "../../api/types";
import { useNow } from "../../components/now";
import { clock } from "../../i18n/format";
import { useI18n } from "../../i18n/i18n";

/** Legs from the call's start (left) to its end (right): light while they rang, solid while they spoke. */
export function LegTimeline({ call }: { call: Cdr }) {
  const { t, f } = useI18n();
  const names = useExtensionNames();
  const now = useNow(call.ended_at === null);
  if (call.legs.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.calls.noLegs}
      </Text>
    );
  }
  return (
    <Stack gap="sm">
      <ul className="timeline">
        {timeline(call, now).map((bar) => (
          <Row key={bar.leg.id} bar={bar} name={names.get(bar.leg.extension ?? "") ?? ""} />
        ))}
      </ul>
      <Group justify="space-between">
        <Text size="xs" c="dimmed" className="digits">
          {f.time(call.started_at)}
        </Text>
        <Text size="xs" c="dimmed" className="digits">
          {call.ended_at ? f.time(call.ended_at) : t.calls.goesOn}
        </Text>
      </Group>
      {call.transfers.length > 0 && (
        <List size="sm" spacing={4} listStyleType="none">
          {call.transfers.map((transfer) => (
            <List.Item key={transfer.id}>
              <Group gap="xs">
                <span className="digits">{f.time(transfer.at)}</span>
                <span>{t.calls.transferLine(transfer.from_extension, transfer.to_number)}</span>
                <Badge size="sm" variant="light" color={transfer.result === "completed" ? "teal" : "red"}>
                  {t.transferKinds[transfer.kind]} · {t.transferResults[transfer.result]}
                </Badge>
              </Group>
            </List.Item>
          ))}
        </List>
      )}
    </Stack>
  );
}

function Row({ bar, name }: { bar: TimelineBar; name: string }) {
  const { t } = useI18n();
  const { leg } = bar;
  const label = leg.extension ? `${leg.extension} ${name}` : leg.number;
  const side = leg.role === "agent" ? "agent" : "customer";
  const talk = bar.answered ?? bar.end;
  const percent = (share: number): string => `${(share * 100).toFixed(2)}%`;
  const quality = leg.mos ? ` · MOS ${leg.mos.toFixed(1)}` : "";
  return (
    <li className="timeline-row">
      <span className="timeline-name">
        {label}
        {leg.trunk && <span className="timeline-trunk"> {leg.trunk}</span>}
      </span>
      <span className="timeline-track" aria-hidden="true">
        <span className="timeline-ring" style={{ left: percent(bar.start), width: percent(talk - bar.start) }} />
        {bar.answered !== null && (
          <span
            className="timeline-talk"
            data-side={side}
            style={{ left: percent(bar.answered), width: percent(bar.end - bar.answered) }}
          />
        )}
      </span>
      <span className="timeline-note digits">
        {bar.answered === null ? t.calls.notAnswered : `${clock(bar.seconds)}${quality}`}
      </span>
    </li>
  );
}
