#include "module_codecs.hpp"

#include <cstring>
#include <stdexcept>
#include <vector>

#include "clock.hpp"
#include "codec.hpp"
#include "hearing.hpp"
#include "resampler.hpp"
#include "voice.hpp"

namespace nb = nanobind;

namespace ramal {
namespace {

CodecKind kind_of(int number) {
    if (number < 0 || number >= kDecodedKinds) throw std::invalid_argument("no such codec");
    return static_cast<CodecKind>(number);
}

int32_t rate_of(int32_t rate) {
    if (rate != 8000 && rate != 16000 && rate != 48000) throw std::invalid_argument("the sample rate is not 8000, 16000 or 48000");
    return rate;
}

const uint8_t* bytes_of(const nb::bytes& bytes) { return reinterpret_cast<const uint8_t*>(bytes.c_str()); }

// Samples go in and out as 16-bit words in the machine's order.
class DecoderHandle {
public:
    DecoderHandle(int kind, int32_t rate) : decoder_(make_decoder(kind_of(kind), rate_of(rate))), samples_(kMostSamples) {}

    int32_t rate() const { return decoder_->rate; }
    nb::bytes decode(const nb::bytes& payload) { return given(decoder_->decode(bytes_of(payload), payload.size(), samples_.data())); }
    nb::bytes recover(const nb::bytes& following, size_t count) {
        check(count);
        return given(decoder_->recover(bytes_of(following), following.size(), samples_.data(), count) ? count : 0);
    }
    nb::bytes conceal(size_t count) {
        check(count);
        return given(decoder_->conceal(samples_.data(), count) ? count : 0);
    }

private:
    void check(size_t count) const {
        if (count > samples_.size()) throw std::invalid_argument("too many samples");
    }
    nb::bytes given(size_t count) const { return nb::bytes(reinterpret_cast<const char*>(samples_.data()), 2 * count); }

    std::unique_ptr<Decoder> decoder_;
    std::vector<int16_t> samples_;
};

class EncoderHandle {
public:
    EncoderHandle(int kind, int32_t rate) : encoder_(make_encoder(kind_of(kind), rate_of(rate))) {}

    int32_t rate() const { return encoder_->rate; }
    nb::bytes encode(const nb::bytes& samples) {
        if (samples.size() != 2 * encoder_->frame_samples()) throw std::invalid_argument("a frame is 20 ms");
        std::vector<int16_t> frame(encoder_->frame_samples());
        std::memcpy(frame.data(), samples.c_str(), samples.size());
        uint8_t payload[kLargestPayload];
        const size_t size = encoder_->encode(frame.data(), payload);
        return nb::bytes(reinterpret_cast<const char*>(payload), size);
    }

private:
    std::unique_ptr<Encoder> encoder_;
};

class ResamplerHandle {
public:
    ResamplerHandle(int32_t from, int32_t to) : resampler_(rate_of(from), rate_of(to)), out_(6 * kMostSamples) {}

    nb::bytes process(const nb::bytes& samples) {
        std::vector<int16_t> in(samples.size() / 2);
        if (in.size() > kMostSamples) throw std::invalid_argument("too many samples");
        std::memcpy(in.data(), samples.c_str(), 2 * in.size());
        const size_t made = resampler_.process(in.data(), in.size(), out_.data());
        return nb::bytes(reinterpret_cast<const char*>(out_.data()), 2 * made);
    }

private:
    Resampler resampler_;
    std::vector<int16_t> out_;
};

// Times are in seconds, as the caller tells them.
class HearingHandle {
public:
    explicit HearingHandle(int32_t rate) : hearing_(rate_of(rate)) {}

    void packet(int codec, uint32_t timestamp, const nb::bytes& payload, double now, uint64_t source) {
        const auto kind = kind_of(codec);
        std::vector<uint8_t> copy(bytes_of(payload), bytes_of(payload) + payload.size());
        hearing_.packet(kind, of(timestamp, copy), source, static_cast<int64_t>(now * kSecond));
    }
    void noise(uint32_t timestamp, const nb::bytes& payload, double now, uint64_t source) {
        std::vector<uint8_t> copy(bytes_of(payload), bytes_of(payload) + payload.size());
        hearing_.noise(of(timestamp, copy), source, static_cast<int64_t>(now * kSecond));
    }
    // Nothing while the party is silent.
    nb::bytes frame() {
        int16_t samples[kLongestFrame];
        const bool heard = hearing_.frame(samples);
        return nb::bytes(reinterpret_cast<const char*>(samples), heard ? 2 * hearing_.frame_samples() : 0);
    }
    int32_t delay_ms() const { return hearing_.delay_ms(); }
    uint64_t concealed_ms() const { return hearing_.counters().concealed_ms; }
    uint64_t removed_ms() const { return hearing_.counters().removed_ms; }
    uint64_t late_packets() const { return hearing_.counters().late_packets; }

private:
    static RtpPacket of(uint32_t timestamp, std::vector<uint8_t>& payload) { return {false, 0, 0, timestamp, 0, payload.data(), payload.size()}; }

    Hearing hearing_;
};

class VoiceHandle {
public:
    bool frame(const nb::bytes& samples) {
        int16_t frame[kFrameSamples];
        if (samples.size() != sizeof frame) throw std::invalid_argument("a frame is 20 ms of 8 kHz");
        std::memcpy(frame, samples.c_str(), sizeof frame);
        return detector_.frame(frame, kFrameSamples);
    }

private:
    VoiceDetector detector_;
};

}  // namespace

void bind_codecs(nb::module_& module) {
    nb::class_<DecoderHandle>(module, "Decoder")
        .def(nb::init<int, int32_t>(), nb::arg("codec"), nb::arg("rate"))
        .def_prop_ro("rate", &DecoderHandle::rate)
        .def("decode", &DecoderHandle::decode, nb::arg("payload"))
        .def("recover", &DecoderHandle::recover, nb::arg("following"), nb::arg("count"))
        .def("conceal", &DecoderHandle::conceal, nb::arg("count"));
    nb::class_<EncoderHandle>(module, "Encoder")
        .def(nb::init<int, int32_t>(), nb::arg("codec"), nb::arg("rate"))
        .def_prop_ro("rate", &EncoderHandle::rate)
        .def("encode", &EncoderHandle::encode, nb::arg("samples"));
    nb::class_<ResamplerHandle>(module, "Resampler")
        .def(nb::init<int32_t, int32_t>(), nb::arg("from_rate"), nb::arg("to_rate"))
        .def("process", &ResamplerHandle::process, nb::arg("samples"));
    nb::class_<VoiceHandle>(module, "VoiceDetector").def(nb::init<>()).def("frame", &VoiceHandle::frame, nb::arg("samples"));
    nb::class_<HearingHandle>(module, "Hearing")
        .def(nb::init<int32_t>(), nb::arg("rate"))
        .def("packet", &HearingHandle::packet, nb::arg("codec"), nb::arg("timestamp"), nb::arg("payload"), nb::arg("now"), nb::arg("source"))
        .def("noise", &HearingHandle::noise, nb::arg("timestamp"), nb::arg("payload"), nb::arg("now"), nb::arg("source"))
        .def("frame", &HearingHandle::frame)
        .def_prop_ro("delay_ms", &HearingHandle::delay_ms)
        .def_prop_ro("concealed_ms", &HearingHandle::concealed_ms)
        .def_prop_ro("removed_ms", &HearingHandle::removed_ms)
        .def_prop_ro("late_packets", &HearingHandle::late_packets);
}

}  // namespace ramal
