import { createPinia } from "pinia";
import { createApp } from "vue";
import App from "./App.vue";
import "./look/tokens.css";
import "./look/elements.css";
import "./look/layout.css";
import { router } from "./routes";
import { texts } from "./texts";

createApp(App).use(createPinia()).use(texts).use(router).mount("#console");
