#include "module_codecs.hpp"

#include <cstring>
#include <stdexcept>
#include <vector>

#include "codec.hpp"

namespace nb = nanobind;

namespace ramal {
namespace {

CodecKind kind_of(int number) {
    if (number < 0 || number >= kCodecKinds) throw std::invalid_argument("no such codec");
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
}

}  // namespace ramal
