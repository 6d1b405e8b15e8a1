/** Starts the app in the page. */

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./styles.css";

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
