/** The mark of Ramal: one line that branches to two extensions, one of which is ringing. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg aria-hidden="true" width={size} height={size} viewBox="0 0 32 32" style={{ flex: "none", display: "block" }}>
      <rect width="32" height="32" rx="8" fill="#0c7a78" />
      <g fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round">
        <path d="M9 25V8" />
        <path d="M9 17c0-4.500 3-6.500 6.500-6.500H19" />
        <path d="M9 22.500c0-3.500 2.500-5 5.500-5H19" />
      </g>
      <circle cx="22" cy="10.500" r="2.600" fill="#fff" />
      <circle cx="22" cy="17.500" r="2.600" fill="#ffc46b" />
    </svg>
  );
}
