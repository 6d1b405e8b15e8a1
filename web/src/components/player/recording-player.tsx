/** A recording as it is heard: two waveforms (customer above, agent below), its controls, and its transcript. */

import { ActionIcon, Alert, Box, Button, Group, SegmentedControl, Skeleton, Stack, Text, Tooltip } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { KeyboardEvent } from "react";
import { address, get } from "../../api/client";
import { useOne } from "../../api/lists";
import type { Recording, Waveform } from "../../api/types";
import { clock } from "../../i18n/format";
import { useI18n } from "../../i18n/i18n";
import { Icon } from "../icons";
import { ProblemAlert } from "../problem-alert";
import { TranscriptView } from "./transcript-view";
import { channelColours, type StereoPlayer, useStereoPlayer } from "./use-stereo-player";

/** Seconds that the jump buttons and arrow keys move. */
const JUMP = 5;
const SPEEDS = ["0.75", "1", "1.25", "1.5", "2"];

/** Loads what is known of a recording, and shows its player when it can be played. */
export function RecordingPlayer({ id }: { id: string }) {
  const recording = useOne<Recording>("recordings", id);
  const ready = recording.data?.state === "sealed" || recording.data?.state === "recovered";
  const waveform = useQuery({
    queryKey: ["recordings", "waveform", id],
    queryFn: () => get<Waveform>(`/recordings/${id}/waveform`),
    enabled: ready,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const error = recording.error ?? waveform.error;
  if (error) return <ProblemAlert error={error} onRetry={() => void recording.refetch()} />;
  if (recording.data && !ready) return <Unready recording={recording.data} />;
  if (!recording.data || !waveform.data) return <Skeleton height={170} radius="md" />;
  return <Player recording={recording.data} waveform={waveform.data} />;
}

function Unready({ recording }: { recording: Recording }) {
  const { t } = useI18n();
  if (recording.state === "failed" || recording.state === "missing") {
    return (
      <Alert color="red" title={t.player.lost}>
        {recording.failure}
      </Alert>
    );
  }
  return <Alert color="yellow">{t.player.notReady}</Alert>;
}

function Player({ recording, waveform }: { recording: Recording; waveform: Waveform }) {
  const { t } = useI18n();
  const url = address(`/recordings/${recording.id}/audio`);
  const player = useStereoPlayer(url, waveform.channels, waveform.seconds);
  const sides = waveform.channels.map((_, channel) => {
    if (recording.tracks.length > 0) return partiesOn(recording, channel) || t.player.channel(channel + 1);
    return waveform.channels.length === 1 ? t.player.both : channel === 0 ? t.player.customer : t.player.agent;
  });
  return (
    <Stack gap="xs">
      <Group align="stretch" gap="xs" wrap="nowrap">
        <Sides sides={sides} player={player} />
        <WaveformSlider player={player} seconds={waveform.seconds} />
      </Group>
      {player.failed && <Alert color="red">{t.player.failed}</Alert>}
      <Controls player={player} recording={recording} seconds={waveform.seconds} url={url} />
      <TranscriptView recordingId={recording.id} position={player.position} onSeek={player.seek} />
    </Stack>
  );
}

/** Who is heard on a channel of a recording that has one for each party. */
function partiesOn(recording: Recording, channel: number): string {
  const there = recording.tracks.filter((track) => track.channel === channel);
  return there.map((track) => track.extension ?? track.number ?? "…").join(", ");
}

function Sides({ sides, player }: { sides: string[]; player: StereoPlayer }) {
  const { t } = useI18n();
  return (
    <Stack gap={0} className="player-sides">
      {sides.map((side, channel) => {
        const silent = player.muted[channel] ?? false;
        const label = silent ? t.player.unmute(side) : t.player.mute(side);
        return (
          <Tooltip key={side} label={label} position="left">
            <Button
              variant={silent ? "light" : "subtle"}
              color={silent ? "red" : "gray"}
              size="compact-sm"
              h={52}
              justify="flex-start"
              aria-pressed={silent}
              aria-label={label}
              disabled={sides.length < 2}
              leftSection={
                <span className="swatch" style={{ background: channelColours[channel === 0 ? 0 : 1].played }} />
              }
              rightSection={<Icon name={silent ? "mute" : "volume"} size={16} />}
              onClick={() => player.toggleMute(channel)}
            >
              {side}
            </Button>
          </Tooltip>
        );
      })}
    </Stack>
  );
}

function WaveformSlider({ player, seconds }: { player: StereoPlayer; seconds: number }) {
  const { t } = useI18n();
  const steps: Record<string, number> = {
    ArrowLeft: player.position - JUMP,
    ArrowRight: player.position + JUMP,
    Home: 0,
    End: seconds,
  };
  const press = (event: KeyboardEvent): void => {
    const target = steps[event.key];
    if (target !== undefined) player.seek(target);
    else if (event.key === " ") player.toggle();
    else return;
    event.preventDefault();
  };
  return (
    <Box
      ref={player.container}
      className="waveform"
      role="slider"
      tabIndex={0}
      aria-label={t.player.position}
      aria-valuemin={0}
      aria-valuemax={Math.round(seconds)}
      aria-valuenow={Math.round(player.position)}
      aria-valuetext={`${clock(player.position)} / ${clock(seconds)}`}
      onKeyDown={press}
    />
  );
}

function Controls({
  player,
  recording,
  seconds,
  url,
}: {
  player: StereoPlayer;
  recording: Recording;
  seconds: number;
  url: string;
}) {
  const { t } = useI18n();
  return (
    <Group justify="space-between" gap="xs">
      <Group gap={6} wrap="nowrap">
        <ActionIcon
          variant="default"
          size="lg"
          aria-label={t.player.back(JUMP)}
          onClick={() => player.seek(player.position - JUMP)}
        >
          <Icon name="back" />
        </ActionIcon>
        <ActionIcon
          size="xl"
          radius="xl"
          aria-label={player.playing ? t.player.pause : t.player.play}
          onClick={player.toggle}
        >
          <Icon name={player.playing ? "pause" : "play"} size={22} />
        </ActionIcon>
        <ActionIcon
          variant="default"
          size="lg"
          aria-label={t.player.forward(JUMP)}
          onClick={() => player.seek(player.position + JUMP)}
        >
          <Icon name="forward" />
        </ActionIcon>
        <Text size="sm" className="digits" aria-hidden="true">
          {clock(player.position)} / {clock(seconds)}
        </Text>
      </Group>
      <Group gap="xs">
        <SegmentedControl
          size="xs"
          aria-label={t.player.speed}
          value={String(player.speed)}
          onChange={(value) => player.setSpeed(Number(value))}
          data={SPEEDS.map((value) => ({ value, label: `${value}×` }))}
        />
        <Button
          component="a"
          href={url}
          download={`${recording.call_id}.${recording.format}`}
          variant="default"
          size="compact-sm"
          leftSection={<Icon name="download" size={16} />}
        >
          {t.player.download}
        </Button>
      </Group>
    </Group>
  );
}
