/** Plays a stereo recording: one audio element, its two channels on their own gains, its peaks drawn by wavesurfer.js. */

import { type RefObject, useCallback, useEffect, useRef, useState } from "react";
import WaveSurfer from "wavesurfer.js";

/** What the player draws each channel with: customers left, agents right. */
export const channelColours = [
  { wave: "#e0b27a", played: "#c8781c" },
  { wave: "#7fc4c1", played: "#0c8a86" },
] as const;

/** The controls and the state of a player. */
export interface StereoPlayer {
  container: RefObject<HTMLDivElement | null>;
  playing: boolean;
  failed: boolean;
  position: number;
  speed: number;
  muted: readonly boolean[];
  toggle: () => void;
  seek: (seconds: number) => void;
  setSpeed: (speed: number) => void;
  toggleMute: (channel: number) => void;
}

/** The gains of the channels; made at the first play, since browsers allow sound only after a user's gesture. */
function connectGains(
  audio: HTMLAudioElement,
  muted: readonly boolean[],
): { context: AudioContext; gains: GainNode[] } {
  const context = new AudioContext();
  const splitter = context.createChannelSplitter(muted.length);
  const merger = context.createChannelMerger(muted.length);
  context.createMediaElementSource(audio).connect(splitter);
  const gains = muted.map((silent, channel) => {
    const gain = context.createGain();
    gain.gain.value = silent ? 0 : 1;
    splitter.connect(gain, channel).connect(merger, 0, channel);
    return gain;
  });
  merger.connect(context.destination);
  return { context, gains };
}

/** Peaks below this are drawn small, so that the noise of a silent line does not look like speech. */
const QUIET = 0.15;

function loudest(channel: readonly number[]): number {
  return channel.reduce((most, peak) => Math.max(most, peak), 0);
}

function draw(container: HTMLElement, audio: HTMLAudioElement, peaks: number[][], seconds: number): WaveSurfer {
  return WaveSurfer.create({
    container,
    media: audio,
    peaks,
    duration: seconds,
    height: 52,
    barWidth: 2,
    barGap: 1,
    barRadius: 2,
    barMinHeight: 1,
    normalize: true,
    maxPeak: Math.max(QUIET, ...peaks.map(loudest)),
    cursorColor: "#868e96",
    dragToSeek: true,
    hideScrollbar: true,
    splitChannels: peaks.map((_, channel) => {
      const colours = channelColours[channel === 0 ? 0 : 1];
      return { waveColor: colours.wave, progressColor: colours.played };
    }),
  });
}

/** Makes a player of the audio at `url`, whose `peaks` (one list a channel) and length are known. */
export function useStereoPlayer(url: string, peaks: number[][], seconds: number): StereoPlayer {
  const container = useRef<HTMLDivElement>(null);
  const surfer = useRef<WaveSurfer | null>(null);
  const audio = useRef<HTMLAudioElement | null>(null);
  const graph = useRef<ReturnType<typeof connectGains> | null>(null);
  const [playing, setPlaying] = useState(false);
  const [failed, setFailed] = useState(false);
  const [position, setPosition] = useState(0);
  const [speed, chooseSpeed] = useState(1);
  const [muted, setMuted] = useState<boolean[]>(() => peaks.map(() => false));

  useEffect(() => {
    if (!container.current) return;
    const element = new Audio();
    element.preload = "metadata";
    element.src = url;
    element.addEventListener("error", () => setFailed(true));
    const drawn = draw(container.current, element, peaks, seconds);
    drawn.on("play", () => setPlaying(true));
    drawn.on("pause", () => setPlaying(false));
    drawn.on("timeupdate", setPosition);
    drawn.on("error", () => setFailed(true));
    audio.current = element;
    surfer.current = drawn;
    return () => {
      drawn.destroy();
      element.pause();
      element.removeAttribute("src");
      void graph.current?.context.close();
      graph.current = null;
      surfer.current = null;
    };
  }, [url, peaks, seconds]);

  const toggle = useCallback(() => {
    if (audio.current && !graph.current && peaks.length > 1) graph.current = connectGains(audio.current, muted);
    void graph.current?.context.resume();
    void surfer.current?.playPause().catch(() => setFailed(true));
  }, [muted, peaks]);

  const seek = useCallback(
    (time: number) => {
      const bounded = Math.min(Math.max(time, 0), seconds);
      surfer.current?.setTime(bounded);
      setPosition(bounded);
    },
    [seconds],
  );

  const setSpeed = useCallback((next: number) => {
    surfer.current?.setPlaybackRate(next, true);
    chooseSpeed(next);
  }, []);

  const toggleMute = useCallback((channel: number) => {
    setMuted((before) => {
      const after = before.map((silent, index) => (index === channel ? !silent : silent));
      graph.current?.gains.forEach((gain, index) => {
        gain.gain.value = after[index] ? 0 : 1;
      });
      return after;
    });
  }, []);

  return { container, playing, failed, position, speed, muted, toggle, seek, setSpeed, toggleMute };
}
