// What a browser or program calls itself, as people name it.

// The order matters: Edge and Opera call themselves Chrome, too, and Chrome calls itself Safari.
const PROGRAMS: readonly [RegExp, string][] = [
  [/\bEdg(e|A|iOS)?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\b(Firefox|FxiOS)\//, "Firefox"],
  [/\b(Chrome|HeadlessChrome|CriOS)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
  [/^curl\//, "curl"],
];

// iPhones name macOS, Android names Linux.
const SYSTEMS: readonly [RegExp, string][] = [
  [/\b(iPhone|iPad|iPod)\b/, "iOS"],
  [/\bAndroid\b/, "Android"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

const LONGEST = 60;

const named = (agent: string, among: readonly [RegExp, string][]) => among.find(([sign]) => sign.test(agent))?.[1];

/** `Firefox, Linux`; what is not known is shown as it is, cut. */
export function agentText(agent: string): string {
  const program = named(agent, PROGRAMS);
  if (!program) return agent.slice(0, LONGEST);
  return [program, named(agent, SYSTEMS)].filter(Boolean).join(", ");
}
