// The engine as Python's media._engine. Nothing here is called for a packet; media/engine.py is the face that others use.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "loop.hpp"
#include "module_codecs.hpp"
#include "module_srtp.hpp"

namespace nb = nanobind;

namespace ramal {
namespace {

using Released = nb::call_guard<nb::gil_scoped_release>;
using Remote = std::tuple<std::string, uint16_t>;
// Kind, id, number, value, reason (a datagram's bytes for one of DTLS): see events.hpp.
using EventTuple = std::tuple<int, uint32_t, uint32_t, double, nb::object>;

std::string text(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

nb::object told(const Event& event) {
    if (event.kind != EventKind::handshake_received) return nb::str(event.reason.c_str(), event.reason.size());
    return nb::bytes(event.reason.data(), event.reason.size());
}

SocketAddress literal(const std::string& host, uint16_t port) {
    const auto address = SocketAddress::parse(host, port);
    if (!address) throw std::invalid_argument("not an IP address: " + host);
    return *address;
}

class TapHandle;

std::vector<SocketAddress> literals(const std::vector<std::string>& hosts) {
    std::vector<SocketAddress> result;
    for (const std::string& host : hosts) result.push_back(literal(host, 0));
    return result;
}

// Closes what it stands for when Python forgets it.
class EndpointHandle {
public:
    EndpointHandle(std::shared_ptr<Loop> loop, std::shared_ptr<Endpoint> endpoint, int family)
        : loop(std::move(loop)), endpoint(std::move(endpoint)), family_(family) {}
    EndpointHandle(const EndpointHandle&) = delete;
    EndpointHandle& operator=(const EndpointHandle&) = delete;
    ~EndpointHandle() { close(); }

    void close() { loop->close(endpoint); }
    uint32_t id() const { return endpoint->id; }
    uint16_t port() const { return endpoint->port; }

    void configure(const std::optional<Remote>& remote, int codec, uint8_t payload_type, int telephone_event, bool send, bool receive, bool latching,
                   const std::optional<std::string>& beside, bool relay_digits) {
        EndpointSettings settings;
        if (remote) settings.remote = literal(std::get<0>(*remote), std::get<1>(*remote));
        if (remote && settings.remote.family() != family_) throw std::invalid_argument("its address family is not the endpoint's");
        if (codec < 0 || codec >= kCodecKinds) throw std::invalid_argument("no such codec");
        settings.codec = static_cast<CodecKind>(codec);
        settings.payload_type = payload_type;
        settings.telephone_event = telephone_event;
        settings.send = send;
        settings.receive = receive;
        settings.latching = latching;
        if (beside) settings.beside = literal(*beside, 0);
        settings.relay_digits = relay_digits;
        loop->configure(endpoint, settings);
    }

    void pack(int packet_ms) { loop->pack(endpoint, packet_ms); }
    void encrypt(bool encrypted) { loop->encrypt(endpoint, encrypted, std::nullopt); }
    void set_keys(int profile, const nb::bytes& incoming, const nb::bytes& outgoing, size_t identifier_size) {
        const auto kind = static_cast<SrtpProfile>(profile);
        const SrtpKeys keys{std::make_shared<SrtpContext>(kind, text(incoming), identifier_size, false),
                            std::make_shared<SrtpContext>(kind, text(outgoing), 0, true)};
        loop->encrypt(endpoint, true, keys);
    }
    void multiplex(bool multiplexed) { loop->multiplex(endpoint, multiplexed); }
    void expect_checks(const std::string& fragment, const std::string& password) { loop->expect_checks(endpoint, fragment, password); }
    void take_handshakes() { loop->take_handshakes(endpoint); }
    void send_handshake(const nb::bytes& datagram) {
        if (datagram.size() > kLargestPacket) throw std::invalid_argument("a datagram that is too long");
        loop->send_handshake(endpoint, text(datagram));
    }

    void play(uint32_t playback, const std::vector<std::string>& paths, bool repeat) {
        std::vector<std::shared_ptr<const Sound>> sounds;
        for (const std::string& path : paths) sounds.push_back(loop->sounds().load(path));
        loop->play(endpoint, playback, Playlist(std::move(sounds), repeat));
    }
    void stop_play() { loop->stop_play(endpoint); }

    void send_digit(char symbol, uint32_t samples) {
        const auto event = event_code(symbol);
        if (!event) throw std::invalid_argument("not a digit");
        loop->send_digit(endpoint, *event, samples);
    }

    void listen(bool digits, bool voice) {
        EarSettings settings;
        settings.digits = digits;
        settings.voice = voice;
        loop->listen(endpoint, settings);
    }

    TapHandle* tap(int32_t rate, double seconds);

    nb::dict statistics() const {
        const EndpointCounters& counters = endpoint->counters;
        nb::dict result;
        result["packets_received"] = counters.packets_received.get();
        result["packets_sent"] = counters.packets_sent.get();
        result["packets_lost"] = counters.packets_lost.get();
        result["packets_rejected"] = counters.packets_rejected.get();
        result["jitter_ms"] = counters.jitter_ms.get();
        result["round_trip_ms"] = counters.round_trip_ms.get();
        result["reported_lost"] = counters.reported_lost.get();
        result["reported_jitter_ms"] = counters.reported_jitter_ms.get();
        result["reports"] = counters.reports.get();
        result["first_packet"] = static_cast<double>(counters.first_packet.get()) / kSecond;
        result["last_packet"] = static_cast<double>(counters.last_packet.get()) / kSecond;
        return result;
    }

    const std::shared_ptr<Loop> loop;
    const std::shared_ptr<Endpoint> endpoint;

private:
    const int family_;
};

// Read by one thread at a time; Python's lock sees to that.
class TapHandle {
public:
    TapHandle(std::shared_ptr<Loop> loop, std::shared_ptr<Endpoint> endpoint, std::shared_ptr<Tap> tap)
        : loop(std::move(loop)), endpoint(std::move(endpoint)), tap(std::move(tap)) {}
    TapHandle(const TapHandle&) = delete;
    TapHandle& operator=(const TapHandle&) = delete;
    ~TapHandle() { close(); }

    nb::bytes read() {
        std::vector<int16_t> samples(tap->waiting());
        const size_t count = tap->read(samples.data(), samples.size());
        return nb::bytes(reinterpret_cast<const char*>(samples.data()), count * sizeof(int16_t));
    }
    uint64_t lost() const { return tap->lost(); }
    bool ended() const { return tap->ended(); }
    void close() { loop->untap(endpoint, tap); }

    const std::shared_ptr<Loop> loop;
    const std::shared_ptr<Endpoint> endpoint;
    const std::shared_ptr<Tap> tap;
};

class RecordingHandle {
public:
    RecordingHandle(std::shared_ptr<Loop> loop, std::shared_ptr<Recording> recording) : loop(std::move(loop)), recording(std::move(recording)) {}
    RecordingHandle(const RecordingHandle&) = delete;
    RecordingHandle& operator=(const RecordingHandle&) = delete;
    ~RecordingHandle() { close(); }

    uint32_t id() const { return recording->id(); }
    void attach(const EndpointHandle& party, int channel) {
        if (channel < 0 || channel >= recording->channels()) throw std::invalid_argument("no such channel");
        loop->attach(recording, party.endpoint, channel);
    }
    void attach_heard(const EndpointHandle& party, int channel) {
        if (channel < 0 || channel >= recording->channels()) throw std::invalid_argument("no such channel");
        loop->attach_heard(recording, party.endpoint, channel);
    }
    void detach(const EndpointHandle& party) { loop->detach(recording, party.endpoint); }
    void pause(bool paused) { loop->pause(recording, paused); }
    void close() { loop->close(recording); }
    double seconds() const { return recording->seconds(monotonic_ns()); }

    const std::shared_ptr<Loop> loop;
    const std::shared_ptr<Recording> recording;
};

class MixerHandle {
public:
    MixerHandle(std::shared_ptr<Loop> loop, std::shared_ptr<Mixer> mixer) : loop(std::move(loop)), mixer(std::move(mixer)) {}
    MixerHandle(const MixerHandle&) = delete;
    MixerHandle& operator=(const MixerHandle&) = delete;
    ~MixerHandle() { close(); }

    uint32_t id() const { return mixer->id; }
    void add(const EndpointHandle& party) { loop->join(mixer, party.endpoint); }
    void remove(const EndpointHandle& party) { loop->leave(mixer, party.endpoint); }
    void mute(const EndpointHandle& party, bool muted) { loop->mute(mixer, party.endpoint, muted); }
    void set_gain(const EndpointHandle& speaker, const EndpointHandle& listener, float gain) {
        if (!(gain >= 0 && gain <= 8)) throw std::invalid_argument("a gain is from 0 to 8");
        loop->set_gain(mixer, speaker.endpoint, listener.endpoint, gain);
    }
    void play(const std::vector<std::string>& paths) {
        std::vector<std::shared_ptr<const Sound>> sounds;
        for (const std::string& path : paths) sounds.push_back(loop->sounds().load(path));
        loop->play(mixer, Playlist(std::move(sounds), false));
    }
    void close() { loop->close(mixer); }

    const std::shared_ptr<Loop> loop;
    const std::shared_ptr<Mixer> mixer;
};

TapHandle* EndpointHandle::tap(int32_t rate, double seconds) {
    if (rate != 8000 && rate != 16000) throw std::invalid_argument("a tap has 8000 or 16000 Hz");
    if (!(seconds >= 0.1 && seconds <= 60)) throw std::invalid_argument("a tap holds from 0.1 to 60 seconds");
    auto made = std::make_shared<Tap>(rate, seconds);
    loop->tap(endpoint, made);
    return new TapHandle(loop, endpoint, std::move(made));
}

class EngineHandle {
public:
    EngineHandle(const std::vector<std::string>& addresses, uint16_t lowest_port, uint16_t highest_port, double media_timeout, int backend,
                 size_t recording_buffer)
        : loop(std::make_shared<Loop>(literals(addresses), lowest_port, highest_port, static_cast<int64_t>(media_timeout * kSecond),
                                      static_cast<Backend>(backend), recording_buffer)) {}

    EndpointHandle* create_endpoint(size_t place) { return new EndpointHandle(loop, loop->create_endpoint(place), loop->family(place)); }
    RecordingHandle* create_recording(const std::string& path, int channels, int32_t rate) {
        if (channels < 1 || channels > kMostChannels) throw std::invalid_argument("a recording has one to eight channels");
        if (rate != 8000 && rate != 16000) throw std::invalid_argument("a recording has 8000 or 16000 Hz");
        return new RecordingHandle(loop, loop->create_recording(path, channels, rate));
    }
    MixerHandle* create_mixer() { return new MixerHandle(loop, loop->create_mixer()); }
    void bridge(const EndpointHandle& a, const EndpointHandle& b) { loop->bridge(a.endpoint, b.endpoint); }
    void unbridge(const EndpointHandle& a) { loop->unbridge(a.endpoint); }

    std::vector<EventTuple> take_events() {
        std::vector<EventTuple> result;
        for (const Event& event : loop->events().take()) {
            result.emplace_back(static_cast<int>(event.kind), event.id, event.number, event.value, told(event));
        }
        return result;
    }
    // Endpoints, packets, pairs of ports in use.
    std::tuple<size_t, uint64_t, size_t> statistics() const { return {loop->endpoints(), loop->packets(), loop->ports_in_use()}; }

    const std::shared_ptr<Loop> loop;
};

void raise_os_error(int code, const char* text) {
    const nb::object arguments = nb::make_tuple(code, text);
    PyErr_SetObject(PyExc_OSError, arguments.ptr());
}

void translate(const std::exception_ptr& thrown, void*) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {
        raise_os_error(error.code().value(), error.what());
    } catch (const SoundError& error) {
        if (error.code != 0) {
            raise_os_error(error.code, error.what());
        } else {
            PyErr_SetString(PyExc_ValueError, error.what());
        }
    }
}

}  // namespace

NB_MODULE(_engine, m) {
    // The interpreter ends without collecting what modules still hold; that is no leak worth telling a user about.
    nb::set_leak_warnings(false);
    nb::register_exception_translator(translate);
    nb::exception<PortsExhaustedError>(m, "PortsExhaustedError");
    nb::exception<EngineClosedError>(m, "EngineClosedError");

    bind_codecs(m);
    add_srtp(m);

    nb::class_<EndpointHandle>(m, "Endpoint")
        .def_prop_ro("id", &EndpointHandle::id)
        .def_prop_ro("port", &EndpointHandle::port)
        .def("configure", &EndpointHandle::configure, nb::arg("remote").none(), nb::arg("codec"), nb::arg("payload_type"), nb::arg("telephone_event"),
             nb::arg("send"), nb::arg("receive"), nb::arg("latching"), nb::arg("beside").none(), nb::arg("relay_digits"))
        .def("pack", &EndpointHandle::pack, nb::arg("packet_ms"))
        .def("encrypt", &EndpointHandle::encrypt, nb::arg("encrypted"))
        .def("set_keys", &EndpointHandle::set_keys, nb::arg("profile"), nb::arg("incoming"), nb::arg("outgoing"), nb::arg("identifier_size"))
        .def("multiplex", &EndpointHandle::multiplex, nb::arg("multiplexed"))
        .def("expect_checks", &EndpointHandle::expect_checks, nb::arg("fragment"), nb::arg("password"))
        .def("take_handshakes", &EndpointHandle::take_handshakes)
        .def("send_handshake", &EndpointHandle::send_handshake, nb::arg("datagram"))
        .def("play", &EndpointHandle::play, nb::arg("playback"), nb::arg("paths"), nb::arg("repeat"), Released())
        .def("stop_play", &EndpointHandle::stop_play)
        .def("send_digit", &EndpointHandle::send_digit, nb::arg("symbol"), nb::arg("samples"))
        .def("listen", &EndpointHandle::listen, nb::arg("digits"), nb::arg("voice"))
        .def("tap", &EndpointHandle::tap, nb::arg("rate"), nb::arg("seconds"), nb::rv_policy::take_ownership)
        .def("statistics", &EndpointHandle::statistics)
        .def("close", &EndpointHandle::close);

    nb::class_<TapHandle>(m, "Tap")
        .def("read", &TapHandle::read)
        .def_prop_ro("lost", &TapHandle::lost)
        .def_prop_ro("ended", &TapHandle::ended)
        .def("close", &TapHandle::close);

    nb::class_<RecordingHandle>(m, "Recording")
        .def_prop_ro("id", &RecordingHandle::id)
        .def_prop_ro("seconds", &RecordingHandle::seconds)
        .def("attach", &RecordingHandle::attach, nb::arg("endpoint"), nb::arg("channel"))
        .def("attach_heard", &RecordingHandle::attach_heard, nb::arg("endpoint"), nb::arg("channel"))
        .def("detach", &RecordingHandle::detach, nb::arg("endpoint"))
        .def("pause", &RecordingHandle::pause, nb::arg("paused"))
        .def("close", &RecordingHandle::close);

    nb::class_<MixerHandle>(m, "Mixer")
        .def_prop_ro("id", &MixerHandle::id)
        .def("add", &MixerHandle::add, nb::arg("endpoint"))
        .def("remove", &MixerHandle::remove, nb::arg("endpoint"))
        .def("mute", &MixerHandle::mute, nb::arg("endpoint"), nb::arg("muted"))
        .def("set_gain", &MixerHandle::set_gain, nb::arg("speaker"), nb::arg("listener"), nb::arg("gain"))
        .def("play", &MixerHandle::play, nb::arg("paths"), Released())
        .def("close", &MixerHandle::close);

    nb::class_<EngineHandle>(m, "Engine")
        .def(nb::init<const std::vector<std::string>&, uint16_t, uint16_t, double, int, size_t>(), nb::arg("addresses"), nb::arg("lowest_port"), nb::arg("highest_port"),
             nb::arg("media_timeout"), nb::arg("backend"), nb::arg("recording_buffer"))
        .def_prop_ro("event_descriptor", [](const EngineHandle& engine) { return engine.loop->events().descriptor(); })
        .def_prop_ro("backend", [](const EngineHandle& engine) { return engine.loop->backend(); })
        .def("start", [](const EngineHandle& engine) { engine.loop->start(); })
        .def("wake", [](const EngineHandle& engine) { engine.loop->wake(); })
        .def("close", [](const EngineHandle& engine) { engine.loop->stop(); }, Released())
        .def("create_endpoint", &EngineHandle::create_endpoint, nb::arg("place"), nb::rv_policy::take_ownership)
        .def("create_recording", &EngineHandle::create_recording, nb::arg("path"), nb::arg("channels"), nb::arg("rate"), nb::rv_policy::take_ownership, Released())
        .def("create_mixer", &EngineHandle::create_mixer, nb::rv_policy::take_ownership)
        .def("bridge", &EngineHandle::bridge, nb::arg("a"), nb::arg("b"))
        .def("unbridge", &EngineHandle::unbridge, nb::arg("a"))
        .def("take_events", &EngineHandle::take_events)
        .def("statistics", &EngineHandle::statistics);
}

}  // namespace ramal
