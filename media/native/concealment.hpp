// Hiding lost packets of codecs that cannot do it themselves: the last pitch period is repeated and fades (as ITU-T G.711 Appendix I).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ramal {

// One stream's. Unlike the appendix it delays nothing: the seam is smoothed behind itself.
class Concealment {
public:
    // `rate` in hertz: 8000 or 16000.
    explicit Concealment(int32_t rate);

    // Remembers what was heard; after a loss its beginning is blended with what was made up.
    void heard(int16_t* samples, size_t count);
    // Makes up `count` lost samples; silence after 60 ms.
    void lost(int16_t* samples, size_t count);
    bool hiding() const { return made_ > 0; }
    void reset();

    // The lag, from `least` to `most` samples, at which the `span` samples before `end` are most like those before them; `likeness`, when
    // given, is set to their normalised correlation.
    static size_t best_lag(const int16_t* end, size_t span, size_t least, size_t most, float* likeness = nullptr);

private:
    void begin();
    int16_t next();
    float gain() const;
    void remember(const int16_t* samples, size_t count);

    int32_t rate_;
    std::vector<int16_t> history_;
    // Copied from the history when a loss begins.
    std::vector<int16_t> past_;
    size_t period_ = 0;
    // How many periods are repeated: one more each 10 ms, up to three, so that it does not buzz.
    size_t periods_ = 1;
    size_t phase_ = 0;
    size_t made_ = 0;
    float step_ = 0;
};

}  // namespace ramal
