// A phone in a page: JsSIP with a browser's own media, driven by the test. What is heard is kept as samples at 8 kHz.

const phone = { events: [], samples: [], session: null, agent: null };

function tell(event, values = {}) { phone.events.push({ event, ...values }); }

async function listen(stream) {
  // Chromium lets a remote stream flow only where an element plays it.
  const element = new Audio();
  element.srcObject = stream;
  element.muted = true;
  await element.play();
  const context = new AudioContext({ sampleRate: 8000 });
  const tap = context.createScriptProcessor(1024, 1, 1);
  tap.onaudioprocess = ({ inputBuffer }) => phone.samples.push(...inputBuffer.getChannelData(0));
  context.createMediaStreamSource(stream).connect(tap);
  tap.connect(context.destination);
  phone.kept = [element, context, tap];
}

function watch(session) {
  phone.session = session;
  for (const name of ["progress", "accepted", "confirmed", "hold", "unhold", "reinvite"]) session.on(name, () => tell(name));
  session.on("ended", ({ cause }) => tell("ended", { cause }));
  session.on("failed", ({ cause }) => tell("failed", { cause }));
  const follow = (connection) => {
    connection.addEventListener("track", ({ track, streams }) => listen(streams[0] ?? new MediaStream([track])));
    connection.addEventListener("connectionstatechange", () => tell("connection", { state: connection.connectionState }));
  };
  if (session.connection) follow(session.connection);
  session.on("peerconnection", ({ peerconnection }) => follow(peerconnection));
}

// An offer of this codec and of keys, with nothing else.
function offering(codec, sdp) {
  const wanted = [...sdp.matchAll(/^a=rtpmap:(\d+) ([\w-]+)\//gm)]
    .filter(([, , name]) => [codec, "telephone-event"].includes(name.toLowerCase()))
    .map(([, type]) => type);
  return sdp.replace(/^(m=audio \d+ \S+) .*$/m, `$1 ${wanted.join(" ")}`);
}

const sound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const options = () => ({ mediaConstraints: { audio: sound, video: false }, pcConfig: { iceServers: [] } });

window.phone = {
  start({ url, user, password }) {
    phone.agent = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(url)], uri: `sip:${user}@127.0.0.1`, password, session_timers: false,
    });
    phone.agent.on("registered", () => tell("registered"));
    phone.agent.on("registrationFailed", ({ cause }) => tell("refused", { cause }));
    phone.agent.on("newRTCSession", ({ session, originator }) => {
      watch(session);
      if (originator === "remote") tell("incoming", { from: session.remote_identity.uri.user });
    });
    phone.agent.start();
  },
  call({ to, replaces, by, only }) {
    const extraHeaders = replaces ? [`Replaces: ${replaces}`, "Require: replaces"] : [];
    const session = phone.agent.call(`sip:${to}@127.0.0.1`, { ...options(), extraHeaders });
    // What the server says of its port is passed on, and the voice goes by another one.
    session.on("sdp", (description) => {
      if (only && description.originator === "local") description.sdp = offering(only, description.sdp);
      if (description.originator !== "remote") return;
      tell("agreed", { codec: /^a=rtpmap:\d+ (\w+)\//m.exec(description.sdp)[1].toLowerCase() });
      if (!by) return;
      tell("candidate", { port: Number(/^a=candidate:\S+ 1 udp \d+ \S+ (\d+)/m.exec(description.sdp)[1]) });
      description.sdp = description.sdp.replace(/^(a=candidate:\S+ 1 udp \d+ \S+) \d+/m, `$1 ${by}`);
    });
  },
  answer() { phone.session.answer(options()); },
  hangUp() { phone.session.terminate(); },
  hold() { phone.session.hold(); },
  unhold() { phone.session.unhold(); },
  mute() { phone.session.mute({ audio: true }); },
  unmute() { phone.session.unmute({ audio: true }); },
  restart() { phone.session.renegotiate({ rtcOfferConstraints: { iceRestart: true } }); },
  press({ keys }) { phone.session.sendDTMF(keys, { transportType: "RFC2833" }); },
  // What another INVITE says to take this one's place (RFC 3891).
  dialog() {
    const { call_id, local_tag, remote_tag } = phone.session._dialog.id;
    return `${call_id};to-tag=${remote_tag};from-tag=${local_tag}`;
  },
  events() { return phone.events.splice(0); },
  heard() { return phone.samples.splice(0); },
};
