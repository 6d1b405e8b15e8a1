/** Each camera with its mode: whether it only counts, or recognises who comes back, and how it is doing. */

import { Group, Paper, SimpleGrid, Stack, Text } from "@mantine/core";
import type { Camera } from "../../api/types";
import { CameraBadge } from "../../components/camera-badge";
import { Icon } from "../../components/icons";
import { useI18n } from "../../i18n/i18n";

/** Says plainly what every camera does with faces. */
export function CameraList({ cameras }: { cameras: Camera[] }) {
  const { t } = useI18n();
  if (cameras.length === 0) return null;
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
                <CameraBadge camera={camera} />
              </Group>
              <Group gap="xs" wrap="nowrap" align="flex-start">
                <Icon name="shield" size={16} />
                <Text size="sm">{recognises ? t.visitors.recognises : t.visitors.countsOnly}</Text>
              </Group>
              {camera.error ? (
                <Text size="sm" c="red">
                  {camera.error}
                </Text>
              ) : (
                <Text size="xs" c="dimmed">
                  {t.visitors.frames(camera.frames)}
                </Text>
              )}
            </Stack>
          </Paper>
        );
      })}
    </SimpleGrid>
  );
}
