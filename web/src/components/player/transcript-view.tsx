/** What was said, beside the recording: a click on a sentence plays from there. */

import { Box, Stack, Text, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { get } from "../../api/client";
import { ApiError } from "../../api/problem";
import type { Transcript } from "../../api/types";
import { clock } from "../../i18n/format";
import { useI18n } from "../../i18n/i18n";
import { useSession } from "../../session/session";

/** The transcript, or null where there is none: `off` where speech recognition is switched off, of which the server's hint tells. */
async function transcriptOf(recordingId: string): Promise<{ transcript: Transcript | null; off: boolean }> {
  try {
    return { transcript: await get<Transcript>(`/transcripts/${recordingId}`), off: false };
  } catch (error) {
    if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 503)) throw error;
    return { transcript: null, off: Boolean(error.hint) };
  }
}

/** The transcript where there is one; who can switch speech recognition on is told where it is off. */
export function TranscriptView({
  recordingId,
  position,
  onSeek,
}: {
  recordingId: string;
  position: number;
  onSeek: (seconds: number) => void;
}) {
  const { t } = useI18n();
  const { may } = useSession();
  const transcript = useQuery({
    queryKey: ["transcripts", "of", recordingId],
    queryFn: () => transcriptOf(recordingId),
    retry: false,
  });
  const segments = transcript.data?.transcript?.segments ?? [];
  if (transcript.data?.off && may("users", "create")) {
    return (
      <Text size="xs" c="dimmed">
        {t.player.transcriptsOff}
      </Text>
    );
  }
  if (segments.length === 0) return null;
  return (
    <Stack gap={4} component="section" aria-label={t.player.transcript}>
      <Text fw={600} size="sm">
        {t.player.transcript}
      </Text>
      <Box className="transcript">
        {segments.map((segment) => (
          <UnstyledButton
            key={`${segment.channel}-${segment.start}`}
            className="sentence"
            data-side={segment.channel === 0 ? "customer" : "agent"}
            data-now={position >= segment.start && position < segment.end}
            onClick={() => onSeek(segment.start)}
          >
            <Text size="xs" c="dimmed">
              {segment.channel === 0 ? t.player.customer : t.player.agent} · {clock(segment.start)}
            </Text>
            <Text size="sm">{segment.text}</Text>
          </UnstyledButton>
        ))}
      </Box>
    </Stack>
  );
}
