/** Each camera with its mode: whether it only counts, or recognises who comes back, and on what legal ground. */

import { Badge, Group, Paper, SimpleGrid, Stack, Text } from "@mantine/core";
import type { Camera } from "../../api/types";
import { Icon } from "../../components/icons";
import { useI18n } from "../../i18n/i18n";

/** Says plainly what every camera does with faces. */
export function CameraList({ cameras }: { cameras: Camera[] }) {
  const { t } = useI18n();
  if (cameras.length === 0) return null;
  const states = t.states as Record<string, string>;
  return (
    <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
      {cameras.map((camera) => {
        const recognises = camera.mode === "recognition";
        return (
          <Paper key={camera.id} withBorder p="md">
            <Stack gap={6}>
              <Group justify="space-between">
                <Group gap="xs">
                  <Icon name="camera" />
                  <Text fw={600}>{camera.name}</Text>
                </Group>
                {camera.state && (
                  <Badge variant="light" color={camera.state === "running" ? "teal" : "gray"}>
                    {states[camera.state] ?? camera.state}
                  </Badge>
                )}
              </Group>
              <Group gap="xs" wrap="nowrap" align="flex-start">
                <Icon name="shield" size={16} />
                <Text size="sm">{recognises ? t.visitors.recognises : t.visitors.countsOnly}</Text>
              </Group>
              {recognises && camera.legal_basis && (
                <Text size="sm" c="dimmed">
                  {t.visitors.legalBasis}: {camera.legal_basis}
                </Text>
              )}
            </Stack>
          </Paper>
        );
      })}
    </SimpleGrid>
  );
}
