// What strangers can send to the media engine's ports, without sockets: RTP, RTCP, STUN and DTLS to two endpoints that are bridged, mixed and
// recorded by turns. Built and run by tests/fuzz/native_targets.py with libFuzzer, AddressSanitizer and UBSan.
//
// The input is a row of steps: a byte that says what is done, a byte of length, and so many bytes of a packet.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "clock.hpp"
#include "endpoint.hpp"
#include "mixer.hpp"
#include "writer.hpp"

namespace {

using namespace ramal;

// Looks at every byte that is sent, and keeps none.
class Nowhere final : public Transport {
public:
    const char* name() const override { return "nowhere"; }
    void add(Socket&) override {}
    void remove(Socket&) override {}
    void wait(PacketSink&, int64_t) override {}
    void wake() override {}
    void send(Socket&, const SocketAddress& to, const uint8_t* data, size_t size) override {
        // Too large for the buffers it may come from.
        if (size > kLargestPacket + 64 || to.empty()) std::abort();
        for (size_t i = 0; i < size; ++i) sum_ = static_cast<uint8_t>(sum_ + data[i]);
    }

private:
    volatile uint8_t sum_ = 0;
};

constexpr CodecKind kKinds[] = {CodecKind::pcmu, CodecKind::g722, CodecKind::opus, CodecKind::l16};
constexpr int64_t kStart = 1000 * kSecond;

SocketAddress party(uint16_t port) { return *SocketAddress::parse("127.0.0.1", port); }

struct Room {
    Room() : mixer(9, events) {
        for (uint16_t i = 0; i < 2; ++i) {
            pairs[i].port = static_cast<uint16_t>(20000 + 2 * i);
            endpoints[i] = std::make_unique<Endpoint>(i + 1, &pairs[i], transport, events, kStart);
            endpoints[i]->listen({true, true});
        }
    }
    ~Room() {
        bridge(false);
        mixer.clear();
        for (auto& endpoint : endpoints) endpoint->retire();
        if (recording) recording->close(*writer, now);
    }

    static std::string path() {
        const std::string path = "/tmp/ramal-fuzz-" + std::to_string(getpid()) + ".wav";
        unlink(path.c_str());
        return path;
    }

    void bridge(bool together) {
        endpoints[0]->set_peer(together ? endpoints[1].get() : nullptr);
        endpoints[1]->set_peer(together ? endpoints[0].get() : nullptr);
    }

    void configure(Endpoint& endpoint, uint8_t how) {
        EndpointSettings settings;
        if (how & 1) settings.remote = party(endpoint.id == 1 ? 4000 : 4002);
        settings.codec = kKinds[how >> 1 & 3];
        settings.payload_type = settings.codec == CodecKind::pcmu ? 0 : 96;
        settings.telephone_event = how & 8 ? 101 : -1;
        settings.send = (how & 16) == 0;
        settings.relay_digits = (how & 32) == 0;
        endpoint.configure(settings, now);
    }

    void step(uint8_t what, std::vector<uint8_t>& packet) {
        Endpoint& endpoint = *endpoints[what & 1];
        const SocketAddress from = party(what & 64 ? 666 : endpoint.id == 1 ? 4000 : 4002);
        const uint8_t first = packet.empty() ? 0 : packet[0];
        now += kFrame;
        switch (what >> 1 & 15) {
            case 0: return configure(endpoint, first);
            case 1: return bridge(first & 1);
            case 2: return seat(endpoint, first & 1);
            case 3: return record(endpoint, what & 1);
            case 4: return endpoint.send_digit(first & 15, 80u * first);
            case 5: return endpoint.expire_digit(now += kSecond);
            case 6: return endpoint.expect_checks("frag", "a password of some length", now);
            case 7: return endpoint.multiplex(first & 1);
            case 8: return endpoint.rtcp_received(packet.data(), packet.size(), from, now, false);
            case 9: return recording ? recording->flush(*writer, now) : void();
            case 10: return hear(endpoint, first);
            case 11: return endpoint.supervise(now += kSecond, kSecond);
            default: return endpoint.rtp_received(packet.data(), packet.size(), from, now);
        }
    }

    void hear(Endpoint& endpoint, uint8_t how) {
        endpoint.listen({(how & 1) != 0, (how & 2) != 0});
        // Nobody reads: it is full soon.
        endpoint.tap(how & 4 ? std::make_shared<Tap>(how & 8 ? 8000 : 16000, 0.2) : nullptr);
    }

    // Files take time: only who wants one has one.
    void record(Endpoint& endpoint, int channel) {
        if (!recording) {
            writer = std::make_unique<Writer>(events, size_t{1} << 20);
            recording = std::make_unique<Recording>(std::make_shared<RecordingFile>(10, path(), 2, 8000), now);
        }
        endpoint.record_to(recording->add_track(channel), recording->id());
        endpoint.record_heard_to(recording->add_track(1 - channel), recording->id());
    }

    void seat(Endpoint& endpoint, bool in) {
        if (in) {
            bridge(false);
            mixer.add(endpoint);
        } else {
            mixer.remove(endpoint);
        }
    }

    void tick() {
        for (const auto& endpoint : endpoints) {
            if (endpoint->ticking()) endpoint->tick(now);
        }
        mixer.step(now);
    }

    EventQueue events;
    Nowhere transport;
    std::unique_ptr<Writer> writer;
    std::array<PortPair, 2> pairs;
    std::array<std::unique_ptr<Endpoint>, 2> endpoints;
    Mixer mixer;
    std::unique_ptr<Recording> recording;
    int64_t now = kStart;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Room room;
    for (const auto& endpoint : room.endpoints) room.configure(*endpoint, 9);
    room.bridge(true);
    const uint8_t* const end = data + size;
    while (end - data >= 2) {
        const uint8_t what = *data++;
        const auto length = std::min<size_t>(*data++, static_cast<size_t>(end - data));
        // A copy of its exact size: what reads beyond it is found.
        std::vector<uint8_t> packet(data, data + length);
        data += length;
        room.step(what, packet);
        room.tick();
    }
    return 0;
}
