/** Small parts that every page about calls shares: direction, numbers, outcomes. */

import { Badge, Group, Text } from "@mantine/core";
import type { Direction, Disposition } from "../api/types";
import { useI18n } from "../i18n/i18n";
import { Icon } from "./icons";

/** Which way a call went: an arrow with its word for screen readers and as a hint. */
export function DirectionMark({ direction, withText = false }: { direction: Direction; withText?: boolean }) {
  const { t } = useI18n();
  const text = t.directions[direction] ?? direction;
  return (
    <Group gap={6} wrap="nowrap" title={text} className={`direction-${direction}`}>
      <Icon name={direction} size={16} />
      {withText ? <Text size="sm">{text}</Text> : <span className="visually-hidden">{text}</span>}
    </Group>
  );
}

/** A party of a call: the name where it is known, and the number. */
export function Party({ number, name }: { number: string; name?: string | null }) {
  return (
    <span className="party">
      {name && <span className="party-name">{name}</span>}
      <span className={name ? "party-number" : "party-name"}>{number || "—"}</span>
    </span>
  );
}

const colours: Record<Disposition, string> = {
  answered: "teal",
  no_answer: "orange",
  busy: "yellow",
  failed: "red",
  cancelled: "gray",
  interrupted: "red",
};

/** How a call ended, or that it still goes on. */
export function DispositionBadge({ disposition }: { disposition: Disposition | null }) {
  const { t } = useI18n();
  if (disposition === null) {
    return (
      <Badge variant="light" color="blue" size="sm">
        {t.calls.goesOn}
      </Badge>
    );
  }
  return (
    <Badge variant="light" color={colours[disposition] ?? "gray"} size="sm">
      {t.dispositions[disposition] ?? disposition}
    </Badge>
  );
}
