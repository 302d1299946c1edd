import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginBundle;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;

/** One Elasticsearch node from its jars alone: `Launcher HOME`, settings in HOME/config/elasticsearch.yml. */
public final class Launcher {
    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]);
        Settings settings = Settings.builder().put("path.home", home.toString()).build();
        Environment environment =
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "test");
        LogConfigurator.registerErrorListener();
        LogConfigurator.configure(environment, true);
        PluginsLoader loader =
            PluginsLoader.createPluginsLoader(modules(home.resolve("modules")), Set.of(), Map.of(), false);
        Node node = new Node(environment, loader);
        node.injector().getInstance(RestController.class).registerHandler(new Root());
        node.start();
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception error) {
                error.printStackTrace();
            }
            ended.countDown();
        }));
        ended.await();
    }

    /** `loadModulesBundles` takes one argument in 8.19 and a second one in 9.x. */
    @SuppressWarnings("unchecked")
    private static Set<PluginBundle> modules(Path folder) throws Exception {
        for (Method method : PluginsLoader.class.getMethods()) {
            if (method.getName().equals("loadModulesBundles")) {
                Object[] values = method.getParameterCount() == 1 ? new Object[] {folder} : new Object[] {folder, false};
                return (Set<PluginBundle>) method.invoke(null, values);
            }
        }
        throw new IllegalStateException("PluginsLoader has no loadModulesBundles");
    }

    /** `GET /` as the module rest-root answers it, which is not published by itself. */
    private static final class Root implements RestHandler {
        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.GET, "/"));
        }

        @Override
        public void handleRequest(RestRequest request, RestChannel channel, NodeClient client) {
            String body = """
                {"name": "test", "cluster_name": "trailhound", "cluster_uuid": "test", "version":
                {"number": "%s", "build_flavor": "default", "lucene_version": "%s"},
                "tagline": "You Know, for Search"}
                """.formatted(Build.current().version(), org.apache.lucene.util.Version.LATEST);
            channel.sendResponse(new RestResponse(RestStatus.OK, "application/json", body));
        }
    }
}
