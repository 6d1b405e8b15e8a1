/** How many people came: figures of a day, its hours, and each camera with what it is allowed to do. */

import { ActionIcon, Button, Group, Paper, Select, SimpleGrid, Skeleton, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { get } from "../../api/client";
import { useList } from "../../api/lists";
import type { Camera, VisitSummary } from "../../api/types";
import { Icon } from "../../components/icons";
import { EmptyState, Page } from "../../components/page";
import { ProblemAlert } from "../../components/problem-alert";
import { addDays, dayOf } from "../../i18n/format";
import { useI18n } from "../../i18n/i18n";
import { useSession } from "../../session/session";
import { CameraList } from "./camera-list";
import { HourChart } from "./hour-chart";

/** Milliseconds between readings of the figures; events bring changes sooner. */
const REFRESH_MS = 30_000;

/** The figures of a day, of one camera or all. */
export function VisitorsPage() {
  const { t, timeZone } = useI18n();
  const { may } = useSession();
  const today = dayOf(new Date(), timeZone);
  const [chosen, setChosen] = useState<string | null>(null);
  const [camera, setCamera] = useState<string | null>(null);
  const day = chosen ?? today;
  const cameras = useList<Camera>("cameras");
  const summary = useQuery({
    queryKey: ["visits", "summary", day, camera],
    queryFn: () => get<VisitSummary>("/visits/summary", { day, camera_id: camera }),
    refetchInterval: day === today ? REFRESH_MS : false,
  });

  return (
    <Page
      title={day === today ? t.visitors.today : t.pages.visitors}
      about={t.visitors.about}
      actions={
        <>
          <Select
            aria-label={t.fields.camera}
            placeholder={t.visitors.allCameras}
            clearable
            data={(cameras.rows ?? []).map(({ id, name }) => ({ value: id, label: name }))}
            value={camera}
            onChange={setCamera}
            w={180}
          />
          <Group gap={4} wrap="nowrap">
            <ActionIcon
              variant="default"
              size="lg"
              aria-label={t.visitors.previousDay}
              onClick={() => setChosen(addDays(day, -1))}
            >
              <Icon name="previous" />
            </ActionIcon>
            <TextInput
              type="date"
              aria-label={t.fields.day}
              value={day}
              max={today}
              onChange={(event) => setChosen(event.currentTarget.value || null)}
            />
            <ActionIcon
              variant="default"
              size="lg"
              aria-label={t.visitors.nextDay}
              disabled={day >= today}
              onClick={() => setChosen(addDays(day, 1))}
            >
              <Icon name="next" />
            </ActionIcon>
          </Group>
        </>
      }
    >
      {cameras.rows?.length === 0 ? (
        <Paper withBorder>
          <EmptyState
            icon="camera"
            title={t.visitors.noCamerasTitle}
            text={t.visitors.noCamerasText}
            action={
              may("cameras", "create") && (
                <Button component={Link} to="/setup/cameras" leftSection={<Icon name="camera" size={16} />}>
                  {t.visitors.toCameras}
                </Button>
              )
            }
          />
        </Paper>
      ) : summary.error ? (
        <ProblemAlert error={summary.error} onRetry={() => void summary.refetch()} />
      ) : (
        <Figures summary={summary.data} />
      )}
      <CameraList cameras={cameras.rows ?? []} />
    </Page>
  );
}

function Figures({ summary }: { summary: VisitSummary | undefined }) {
  const { t } = useI18n();
  if (!summary) return <Skeleton height={320} radius="md" />;
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 2, sm: 4 }} spacing="sm">
        <Figure name={t.visitors.visitors} help={t.visitors.visitorsHelp} value={summary.visitors} />
        <Figure name={t.visitors.visits} help={t.visitors.visitsHelp} value={summary.visits} />
        <Figure name={t.visitors.new} help={t.visitors.newHelp} value={summary.new} />
        <Figure name={t.visitors.returning} help={t.visitors.returningHelp} value={summary.returning} />
      </SimpleGrid>
      <Paper withBorder p="md">
        <HourChart summary={summary} />
      </Paper>
    </Stack>
  );
}

function Figure({ name, value, help }: { name: string; value: number; help: string }) {
  const { f } = useI18n();
  return (
    <Paper withBorder p="md" className="figure">
      <Text size="sm" c="dimmed">
        {name}
      </Text>
      <Text className="figure-value">{f.count(value)}</Text>
      <Text size="xs" c="dimmed">
        {help}
      </Text>
    </Paper>
  );
}
