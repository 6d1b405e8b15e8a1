"""A session description as a phone writes it."""

from __future__ import annotations

PHONE = b"""v=0\r
o=- 3 3 IN IP4 192.168.1.7\r
s=pjmedia\r
c=IN IP4 192.168.1.7\r
t=0 0\r
m=audio 4000 RTP/AVP 98 8 0 96\r
a=rtcp:4001 IN IP4 192.168.1.7\r
a=rtpmap:98 speex/16000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:96 telephone-event/8000\r
a=fmtp:96 0-16\r
a=sendrecv\r
m=video 4002 RTP/AVP 99\r
a=rtpmap:99 H264/90000\r
"""
