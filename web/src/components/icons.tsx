/** The app's icons: 24-unit outlines that take the colour of the text around them. */

const paths = {
  answer: "M5 4h4l2 5-2.500 1.500a11 11 0 0 0 5 5L15 13l5 2v4a2 2 0 0 1-2 2A15 15 0 0 1 3 6a2 2 0 0 1 2-2",
  live: "M4 12h3l2.500-7 5 14 2.500-7h3",
  history: "M12 8v4l3 2M3.500 12a8.500 8.500 0 1 0 2.800-6.300L3.500 8M3.500 3.500V8H8",
  lead: "M12 3v4M12 17v4M3 12h4M17 12h4M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6",
  contact: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4.500 20.500c.5-4 3.500-6 7.500-6s7 2 7.500 6",
  visitors:
    "M9 5a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7M2.500 20c.4-3.500 3-5.500 6.500-5.500s6.100 2 6.500 5.500M16 5.500a3.200 3.200 0 0 1 0 6M18 15c2 .8 3.300 2.500 3.500 5",
  extension: "M7 3h10v18H7zM10 6.500h4M10 17.500h4",
  trunk: "M4 7h13l-3-3M20 17H7l3 3",
  number: "M10 4 8 20M16 4l-2 16M4.500 9h16M3.500 15h16",
  route:
    "M6 17a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5M18 2a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5M8.500 19.500H15a3.500 3.500 0 0 0 0-7H9a3.500 3.500 0 0 1 0-7h6.500",
  rate: "M9 21V4h5.500a4.500 4.500 0 0 1 0 9H6M6 17h8",
  camera: "M4 7h3.500L9 4.500h6L16.500 7H20v12.500H4zM12 10a3.200 3.200 0 1 0 0 6.400 3.200 3.200 0 0 0 0-6.400",
  users: "M12 3 4 6v6c0 4.500 3.300 7.800 8 9 4.700-1.200 8-4.500 8-9V6zM9 12l2 2 4-4",
  company: "M4 21V8l8-5 8 5v13zM9.500 21v-6h5v6M9 10.500h.01M15 10.500h.01",
  inbound: "M18 6 7 17M7 8v9h9",
  outbound: "M6 18 17 7M8 7h9v9",
  internal: "M4 9h14l-3.500-3.500M20 15H6l3.500 3.500",
  hold: "M9 5v14M15 5v14",
  play: "M7 4.500v15l12-7.500z",
  pause: "M8.500 5v14M15.500 5v14",
  transfer: "M14 4h6v6M20 4l-8 8M12 12H5M12 12l5 5M17 20h3v-3",
  record: "M12 5a7 7 0 1 0 0 14 7 7 0 0 0 0-14M12 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4",
  hangup: "M3 14.500c4.800-6 13.200-6 18 0l-3 2.500-3.500-2v-2.500a9 9 0 0 0-5 0V15L6 17z",
  plus: "M12 5v14M5 12h14",
  search: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13M15.500 15.500 21 21",
  download: "M12 4v11M7.500 11l4.500 4.500 4.500-4.500M4.500 20h15",
  upload: "M12 20V9M7.500 13 12 8.500l4.500 4.500M4.500 4h15",
  mute: "M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM16 9.500l5 5M21 9.500l-5 5",
  volume: "M4 9.500v5h3.500L12 18.500v-13L7.500 9.500zM15.500 9a4 4 0 0 1 0 6M18 6.500a8 8 0 0 1 0 11",
  back: "M11 6 5 12l6 6M19 6l-6 6 6 6",
  forward: "M13 6l6 6-6 6M5 6l6 6-6 6",
  edit: "M4 20h4L19.500 8.500l-4-4L4 16zM13 7l4 4",
  trash: "M4.500 7h15M9.500 7V4h5v3M6.500 7l1 13.500h9l1-13.500",
  copy: "M8.500 8.500H20V20H8.500zM15.500 8.500V4H4v11.500h4.500",
  check: "M4.500 12.500 10 18 20 6.500",
  warning: "M12 4 2.500 20h19zM12 10v4.500M12 17.500h.01",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M18.700 5.300l-1.400 1.400M6.700 17.300l-1.400 1.400",
  moon: "M19.500 14.500A8 8 0 0 1 9.500 4.500a8 8 0 1 0 10 10",
  language:
    "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17M3.500 12h17M12 3.500c-5 5-5 12 0 17M12 3.500c5 5 5 12 0 17",
  signOut: "M14 4H5v16h9M10 12h11M17.500 8.500 21 12l-3.500 3.500",
  shield: "M12 3 4 6v6c0 4.500 3.300 7.800 8 9 4.700-1.200 8-4.500 8-9V6z",
  previous: "M14.500 6 8.500 12l6 6",
  next: "M9.500 6l6 6-6 6",
  file: "M6 3h8l4.500 4.500V21H6zM13.500 3v5h5",
} as const;

/** The name of an icon. */
export type IconName = keyof typeof paths;

/** An icon beside text, which carries the meaning; so the icon itself is silent to screen readers. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.8}
      strokeLinecap="round"
      strokeLinejoin="round"
      style={{ flex: "none", display: "block" }}
    >
      <path d={paths[name]} />
    </svg>
  );
}
