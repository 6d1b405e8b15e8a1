/** The look of the app: one calm sea-green for what can be acted on, system fonts, dense controls. */

import { createTheme, type MantineColorsTuple } from "@mantine/core";

const sea: MantineColorsTuple = [
  "#e6f7f6",
  "#cdebe9",
  "#9ad6d3",
  "#63c0bc",
  "#38ada8",
  "#1d9a95",
  "#0f8986",
  "#0c7a78",
  "#08605f",
  "#034646",
];

export const theme = createTheme({
  colors: { sea },
  primaryColor: "sea",
  primaryShade: 7,
  autoContrast: true,
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace',
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Badge: { styles: { root: { flex: "none" }, label: { textTransform: "none", fontWeight: 600 } } },
    Button: { defaultProps: { size: "sm" } },
    Table: { defaultProps: { verticalSpacing: 7, horizontalSpacing: "sm" } },
    NavLink: { styles: { root: { borderRadius: "var(--mantine-radius-md)", padding: "7px 10px" } } },
    Drawer: { defaultProps: { position: "right", overlayProps: { backgroundOpacity: 0.35 } } },
    Modal: { defaultProps: { overlayProps: { backgroundOpacity: 0.35 } } },
    Tooltip: { defaultProps: { openDelay: 300, events: { hover: true, focus: true, touch: false } } },
  },
});
