/** What happened with a customer, newest first; a recorded call can be heard in place. */

import { Button, Group, Paper, Stack, Text, Timeline } from "@mantine/core";
import { useState } from "react";
import type { Activity, Person } from "../../api/types";
import { DirectionMark, DispositionBadge } from "../../components/call-parts";
import { Icon } from "../../components/icons";
import { RecordingPlayer } from "../../components/player/recording-player";
import { clock } from "../../i18n/format";
import { useI18n } from "../../i18n/i18n";

/** The list of a person's activities. */
export function Activities({ person }: { person: Person }) {
  const { t } = useI18n();
  const activities = [...(person.activities ?? [])].sort((a, b) => b.started_at.localeCompare(a.started_at));
  if (activities.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.people.noActivities}
      </Text>
    );
  }
  return (
    <Timeline bulletSize={22} lineWidth={2}>
      {activities.map((activity) => (
        <Timeline.Item
          key={activity.id}
          bullet={<Icon name={activity.kind === "call" ? "answer" : "file"} size={12} />}
          title={<Heading activity={activity} />}
        >
          <Body activity={activity} />
        </Timeline.Item>
      ))}
    </Timeline>
  );
}

function Heading({ activity }: { activity: Activity }) {
  const { t, f } = useI18n();
  const who = [activity.extension, activity.transferred_to].filter(Boolean).join(" → ") || activity.created_by;
  return (
    <Group gap="xs">
      {activity.direction && <DirectionMark direction={activity.direction} />}
      <Text size="sm" fw={550}>
        {t.activityKinds[activity.kind]} {who}
      </Text>
      {activity.outcome && <DispositionBadge disposition={activity.outcome} />}
      <Text size="xs" c="dimmed" className="digits">
        {f.dateTime(activity.started_at)}
        {activity.talk_seconds ? ` · ${clock(activity.talk_seconds)}` : ""}
      </Text>
    </Group>
  );
}

function Body({ activity }: { activity: Activity }) {
  const { t } = useI18n();
  const [listening, setListening] = useState(false);
  return (
    <Stack gap="xs" align="flex-start">
      {activity.text && (
        <Text size="sm" className="note">
          {activity.text}
        </Text>
      )}
      {activity.recording_id && !listening && (
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<Icon name="play" size={14} />}
          onClick={() => setListening(true)}
        >
          {t.people.listen}
        </Button>
      )}
      {activity.recording_id && listening && (
        <Paper withBorder p="sm" w="100%">
          <RecordingPlayer id={activity.recording_id} />
        </Paper>
      )}
    </Stack>
  );
}
