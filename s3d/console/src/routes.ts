// The places of the console. Each room is loaded when somebody enters it.
import { createRouter, createWebHistory } from "vue-router";
import { useSession } from "./account/session";

declare module "vue-router" {
  interface RouteMeta {
    /** The text that is the page's title. */
    title: string;
    /** For those who are not logged in. */
    open?: boolean;
  }
}

export const router = createRouter({
  history: createWebHistory("/console/"),
  routes: [
    { path: "/", redirect: "/buckets" },
    {
      path: "/log-in",
      component: () => import("./account/LogInPage.vue"),
      meta: { title: "logIn.title", open: true },
    },
    {
      path: "/sign-up",
      component: () => import("./account/SignUpPage.vue"),
      meta: { title: "signUp.title", open: true },
    },
    {
      path: "/forgot",
      component: () => import("./account/ForgotPage.vue"),
      meta: { title: "forgot.title", open: true },
    },
    {
      path: "/reset",
      component: () => import("./account/ResetPage.vue"),
      meta: { title: "reset.title", open: true },
    },
    {
      path: "/verify",
      component: () => import("./account/VerifyPage.vue"),
      meta: { title: "verify.title", open: true },
    },
    {
      path: "/enter",
      component: () => import("./account/EnterPage.vue"),
      meta: { title: "enter.title", open: true },
    },
    {
      path: "/account",
      component: () => import("./account/AccountPage.vue"),
      meta: { title: "account.title" },
    },
    {
      path: "/buckets",
      component: () => import("./buckets/BucketsPage.vue"),
      meta: { title: "buckets.title" },
    },
    {
      path: "/new-bucket",
      component: () => import("./buckets/NewBucketPage.vue"),
      meta: { title: "newBucket.title" },
    },
    {
      path: "/buckets/:bucket",
      component: () => import("./buckets/BucketPage.vue"),
      props: true,
      meta: { title: "bucket.title" },
      children: [
        {
          path: "",
          component: () => import("./objects/ObjectsPage.vue"),
          props: true,
          meta: { title: "objects.title" },
        },
        {
          path: "object",
          component: () => import("./objects/ObjectPage.vue"),
          props: true,
          meta: { title: "object.title" },
        },
        {
          path: "connect",
          component: () => import("./buckets/ConnectPage.vue"),
          props: true,
          meta: { title: "connect.title" },
        },
        {
          path: "usage",
          component: () => import("./buckets/UsagePage.vue"),
          props: true,
          meta: { title: "usage.title" },
        },
        {
          path: "settings",
          component: () => import("./buckets/SettingsPage.vue"),
          props: true,
          meta: { title: "settings.title" },
        },
        {
          path: "delete",
          component: () => import("./buckets/DeletePage.vue"),
          props: true,
          meta: { title: "deleteBucket.title" },
        },
      ],
    },
    {
      path: "/keys",
      component: () => import("./keys/KeysPage.vue"),
      meta: { title: "keys.title" },
    },
    {
      path: "/rack",
      component: () => import("./rack/RackPage.vue"),
      meta: { title: "rack.title" },
      children: [
        {
          path: "",
          component: () => import("./rack/OverviewPage.vue"),
          meta: { title: "rack.overview" },
        },
        {
          path: "volumes",
          component: () => import("./rack/VolumesPage.vue"),
          meta: { title: "volumes.title" },
        },
        {
          path: "add",
          component: () => import("./rack/AddPage.vue"),
          meta: { title: "addition.title" },
        },
        {
          path: "usage",
          component: () => import("./rack/PoolUsagePage.vue"),
          meta: { title: "usage.title" },
        },
        {
          path: "tenants",
          component: () => import("./rack/TenantsPage.vue"),
          meta: { title: "tenants.title" },
        },
        {
          path: "tenants/:namespace",
          component: () => import("./rack/TenantPage.vue"),
          props: true,
          meta: { title: "tenants.title" },
        },
        {
          path: "audit",
          component: () => import("./rack/AuditPage.vue"),
          meta: { title: "rack.audit" },
        },
        {
          path: "nodes/:node",
          component: () => import("./rack/NodePage.vue"),
          props: true,
          meta: { title: "rack.nodes" },
        },
        {
          path: "nodes/:node/disks/:disk",
          component: () => import("./rack/DiskPage.vue"),
          props: true,
          meta: { title: "rack.disks" },
        },
      ],
    },
    {
      path: "/:rest(.*)*",
      component: () => import("./account/NowherePage.vue"),
      meta: { title: "nowhere.title", open: true },
    },
  ],
});

router.beforeEach(async (to) => {
  const session = useSession();
  await session.find();
  if (!to.meta.open && session.state === "none") {
    return { path: "/log-in", query: { next: to.fullPath } };
  }
  return true;
});
