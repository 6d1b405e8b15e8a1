/** How a camera is doing. */

import { Badge } from "@mantine/core";
import type { Camera } from "../api/types";
import { useI18n } from "../i18n/i18n";

/** Running, stopped, failed, or switched off. */
export function CameraBadge({ camera }: { camera: Camera }) {
  const { t } = useI18n();
  const [colour, text] = camera.error
    ? ["red", t.states.failed]
    : camera.running
      ? ["teal", t.states.running]
      : ["gray", camera.enabled ? t.states.finished : t.states.off];
  return (
    <Badge variant="light" color={colour}>
      {text}
    </Badge>
  );
}
