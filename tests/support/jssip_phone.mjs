// A phone in JsSIP on Node: driven by JSON lines on standard input, telling what happens by JSON lines on standard output.
// There is no sound on Node, so the session descriptions are made up: PCMA as a browser offers it, and nothing is ever sent.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const JsSIP = require("jssip");
const WebSocket = require("ws");

const SDP = [
  "v=0",
  "o=- 1 1 IN IP4 127.0.0.1",
  "s=-",
  "c=IN IP4 127.0.0.1",
  "t=0 0",
  "m=audio PORT UDP/TLS/RTP/SAVPF 8 101",
  "a=ice-ufrag:made",
  "a=ice-pwd:made-up-and-never-used-at-all",
  `a=fingerprint:sha-256 ${Array(32).fill("5A").join(":")}`,
  "a=setup:SETUP",
  "a=mid:0",
  "a=rtcp-mux",
  "a=rtpmap:8 PCMA/8000",
  "a=rtpmap:101 telephone-event/8000",
  "a=sendrecv",
  "",
].join("\r\n");

function tell(event, values = {}) {
  process.stdout.write(JSON.stringify({ event, ...values }) + "\n");
}

/** The WebSocket of a browser, as JsSIP wants it. */
class Socket {
  constructor(url) {
    this.url = url;
    this.sip_uri = `sip:${new URL(url).host};transport=ws`;
    this.via_transport = new URL(url).protocol === "wss:" ? "WSS" : "WS";
  }

  connect() {
    this.socket = new WebSocket(this.url, "sip", { rejectUnauthorized: false });
    this.socket.on("open", () => this.onconnect());
    this.socket.on("message", (data, isBinary) => this.ondata(isBinary ? data : data.toString()));
    this.socket.on("close", (code, reason) => this.ondisconnect(code !== 1000, code, reason.toString()));
    this.socket.on("error", (error) => tell("error", { message: String(error) }));
  }

  disconnect() {
    this.socket?.close();
  }

  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(message);
    return true;
  }

  isConnected() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  isConnecting() {
    return this.socket?.readyState === WebSocket.CONNECTING;
  }
}

/** The part of a browser's peer connection that signalling touches. */
class PeerConnection {
  constructor() {
    this.iceGatheringState = "complete";
    this.iceConnectionState = "connected";
    this.connectionState = "connected";
    this.signalingState = "stable";
    this.localDescription = null;
    this.remoteDescription = null;
  }

  addEventListener() {}
  removeEventListener() {}
  getSenders() { return []; }
  getReceivers() { return []; }
  close() { this.signalingState = "closed"; }
  async createOffer() { return { type: "offer", sdp: SDP.replace("PORT", "9000").replace("SETUP", "actpass") }; }
  async createAnswer() { return { type: "answer", sdp: SDP.replace("PORT", "9002").replace("SETUP", "active") }; }
  async setLocalDescription(description) { this.localDescription = description; }
  async setRemoteDescription(description) { this.remoteDescription = description; }
}

globalThis.window ??= globalThis;
globalThis.RTCPeerConnection = PeerConnection;
globalThis.RTCSessionDescription = class { constructor(init) { Object.assign(this, init); } };

let agent;
let session;
const media = { mediaConstraints: { audio: false, video: false } };

const commands = {
  start({ url, user, password, domain }) {
    agent = new JsSIP.UA({
      sockets: [new Socket(url)],
      uri: `sip:${user}@${domain}`,
      password,
      register_expires: 120,
      session_timers: false,
    });
    agent.on("registered", ({ response }) => tell("registered", { contacts: response.getHeaders("Contact") }));
    agent.on("registrationFailed", ({ cause }) => tell("refused", { cause }));
    agent.on("disconnected", () => tell("disconnected"));
    agent.on("newRTCSession", (news) => {
      session = news.session;
      session.on("progress", () => tell("progress"));
      session.on("accepted", () => tell("accepted"));
      session.on("confirmed", () => tell("confirmed"));
      session.on("ended", ({ cause }) => tell("ended", { cause }));
      session.on("failed", ({ cause, message }) => tell("failed", { cause, status: message?.status_code ?? 0 }));
      if (news.originator === "remote") tell("incoming", { from: session.remote_identity.uri.user });
    });
    agent.start();
  },
  options({ to }) {
    agent.sendOptions(to, null, {
      eventHandlers: {
        succeeded: ({ response }) => tell("answered", { status: response.status_code }),
        failed: ({ cause }) => tell("answered", { status: 0, cause }),
      },
    });
  },
  call({ to }) { agent.call(to, media); },
  answer() { session.answer(media); },
  hang_up() { session.terminate(); },
  drop() { agent.transport.socket.socket.terminate(); },
  stop() {
    agent.stop();
    setTimeout(() => process.exit(0), 300);
  },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const { do: name, ...values } = JSON.parse(line);
  try {
    commands[name](values);
  } catch (error) {
    tell("error", { message: String(error?.stack ?? error) });
  }
});
