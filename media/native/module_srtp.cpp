#include "module_srtp.hpp"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "rtp.hpp"
#include "srtp.hpp"

namespace nb = nanobind;

namespace ramal {
namespace {

using Step = std::optional<size_t> (SrtpContext::*)(uint8_t*, size_t);

std::string text(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

template <Step step>
nb::object on_packet(SrtpContext& context, const nb::bytes& packet) {
    std::array<uint8_t, kLargestPacket + kSrtpGrowth> buffer;
    if (packet.size() > kLargestPacket) return nb::none();
    std::copy_n(reinterpret_cast<const uint8_t*>(packet.c_str()), packet.size(), buffer.data());
    const auto size = (context.*step)(buffer.data(), packet.size());
    if (!size) return nb::none();
    return nb::bytes(buffer.data(), *size);
}

SrtpContext* with_session_keys(int profile, const nb::tuple& rtp, const nb::tuple& rtcp, bool sending) {
    const auto key = [](const nb::tuple& parts) {
        return SessionKey(text(nb::cast<nb::bytes>(parts[0])), text(nb::cast<nb::bytes>(parts[1])), text(nb::cast<nb::bytes>(parts[2])));
    };
    return new SrtpContext(static_cast<SrtpProfile>(profile), key(rtp), key(rtcp), sending);
}

}  // namespace

void add_srtp(nb::module_& m) {
    m.def(
        "derive_srtp_key",
        [](const nb::bytes& master, uint8_t label, size_t size) {
            const std::string key = derive(text(master), label, size);
            return nb::bytes(key.data(), key.size());
        },
        nb::arg("master"), nb::arg("label"), nb::arg("size"));
    nb::class_<SrtpContext>(m, "SrtpContext")
        .def("__init__",
             [](SrtpContext* self, int profile, const nb::bytes& master, size_t identifier_size, bool sending) {
                 new (self) SrtpContext(static_cast<SrtpProfile>(profile), text(master), identifier_size, sending);
             },
             nb::arg("profile"), nb::arg("master"), nb::arg("identifier_size"), nb::arg("sending"))
        .def_static("with_session_keys", &with_session_keys, nb::arg("profile"), nb::arg("rtp"), nb::arg("rtcp"), nb::arg("sending"),
                    nb::rv_policy::take_ownership)
        .def("protect_rtp", &on_packet<&SrtpContext::protect_rtp>, nb::arg("packet"))
        .def("protect_rtcp", &on_packet<&SrtpContext::protect_rtcp>, nb::arg("packet"))
        .def("unprotect_rtp", &on_packet<&SrtpContext::unprotect_rtp>, nb::arg("packet"))
        .def("unprotect_rtcp", &on_packet<&SrtpContext::unprotect_rtcp>, nb::arg("packet"))
        .def_prop_ro("last_was_newest", &SrtpContext::last_was_newest);
}

}  // namespace ramal
