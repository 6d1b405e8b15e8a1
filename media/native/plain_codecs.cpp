#include "plain_codecs.hpp"

#include "bytes.hpp"

namespace ramal {
namespace {

constexpr int32_t kG711Rate = 8000;

// Nothing where a packet is longer than any may be.
size_t within_limit(size_t samples, int32_t rate) {
    return samples <= static_cast<size_t>(rate) / 1000 * kLongestPacketMs ? samples : 0;
}

class G711Decoder final : public Decoder {
public:
    explicit G711Decoder(Law law) : Decoder(kG711Rate), table_(decode_table(law)) {}

    size_t length(const uint8_t*, size_t size) const override { return within_limit(size, rate); }
    size_t decode(const uint8_t* payload, size_t size, int16_t* samples) override {
        const size_t count = length(payload, size);
        for (size_t i = 0; i < count; ++i) samples[i] = table_[payload[i]];
        return count;
    }

private:
    const DecodeTable& table_;
};

class G711Encoder final : public Encoder {
public:
    explicit G711Encoder(Law law) : Encoder(kG711Rate), law_(law) {}

    size_t encode(const int16_t* samples, uint8_t* payload) override {
        ramal::encode(law_, samples, frame_samples(), payload);
        return frame_samples();
    }

private:
    const Law law_;
};

class L16Decoder final : public Decoder {
public:
    explicit L16Decoder(int32_t rate) : Decoder(rate) {}

    size_t length(const uint8_t*, size_t size) const override { return size % 2 == 0 ? within_limit(size / 2, rate) : 0; }
    size_t decode(const uint8_t* payload, size_t size, int16_t* samples) override {
        const size_t count = length(payload, size);
        for (size_t i = 0; i < count; ++i) samples[i] = static_cast<int16_t>(get16(payload + 2 * i));
        return count;
    }
};

class L16Encoder final : public Encoder {
public:
    explicit L16Encoder(int32_t rate) : Encoder(rate) {}

    size_t encode(const int16_t* samples, uint8_t* payload) override {
        const size_t count = frame_samples();
        for (size_t i = 0; i < count; ++i) put16(payload + 2 * i, static_cast<uint16_t>(samples[i]));
        return 2 * count;
    }
};

}  // namespace

std::unique_ptr<Decoder> make_g711_decoder(Law law) { return std::make_unique<G711Decoder>(law); }
std::unique_ptr<Encoder> make_g711_encoder(Law law) { return std::make_unique<G711Encoder>(law); }
std::unique_ptr<Decoder> make_l16_decoder(int32_t rate) { return std::make_unique<L16Decoder>(rate); }
std::unique_ptr<Encoder> make_l16_encoder(int32_t rate) { return std::make_unique<L16Encoder>(rate); }

}  // namespace ramal
