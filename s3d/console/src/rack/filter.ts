// Which events of the audit log somebody wants to see, as typed and as asked.

export interface Typed {
  /** An e-mail address, or the id of a key. */
  who: string;
  action: string;
  about: string;
  /** Days as `<input type="date">` has them, in the person's own zone; both count. */
  from: string;
  to: string;
}

export const NOTHING: Readonly<Typed> = { who: "", action: "", about: "", from: "", to: "" };

/** Midnight at the beginning of a day, `later` days after it. */
function midnight(day: string, later: number): string {
  const time = new Date(`${day}T00:00:00`);
  time.setDate(time.getDate() + later);
  return time.toISOString();
}

/** What is asked for; what was left empty does not count. */
export function queryOf(typed: Typed) {
  const [who, action, about] = [typed.who, typed.action, typed.about].map((it) => it.trim() || undefined);
  return {
    email: who?.includes("@") ? who : undefined,
    key: who?.includes("@") ? undefined : who,
    action,
    about,
    since: typed.from ? midnight(typed.from, 0) : undefined,
    until: typed.to ? midnight(typed.to, 1) : undefined,
  };
}
