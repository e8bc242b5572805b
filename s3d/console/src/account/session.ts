// Who is logged in.
import { defineStore } from "pinia";
import { ref } from "vue";
import { answerOf, onSessionEnd, rest, type Schemas } from "@/server/client";
import { failureOf } from "@/server/failure";

export const useSession = defineStore("session", () => {
  const state = ref<"unknown" | "none" | "open" | "ended">("unknown");
  const user = ref<Schemas["CallerView"]>();

  onSessionEnd(() => {
    // In the middle of something: what is on the page stays, and a dialog asks for the password.
    if (state.value === "open") state.value = "ended";
  });

  async function read() {
    user.value = await answerOf(rest.GET("/api/v1/user"));
    state.value = "open";
  }

  /** Finds out once whether somebody is logged in. */
  async function find() {
    if (state.value !== "unknown") return;
    try {
      await read();
    } catch (thrown) {
      // A server that is away says nothing about the session: the page that follows says so.
      if (failureOf(thrown).status === 401) state.value = "none";
    }
  }

  async function logIn(email: string, password: string) {
    await answerOf(rest.POST("/api/v1/session", { body: { email, password } }));
    await read();
  }

  /** With a code that is good for once. */
  async function logInByCode(code: string) {
    await answerOf(rest.POST("/api/v1/session/code", { body: { code } }));
    await read();
  }

  async function logOut() {
    await answerOf(rest.DELETE("/api/v1/session"));
    forget();
  }

  /** Every session of the person has ended, this one among them. */
  function forget() {
    state.value = "none";
    user.value = undefined;
  }

  return { state, user, find, read, logIn, logInByCode, logOut, forget };
});
