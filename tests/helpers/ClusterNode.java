import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** A node of a cluster of several processes: the runner alone makes each of them its own cluster. */
public final class ClusterNode {
    public static void main(String[] arguments) throws Exception {
        List<String> nodes = Files.readAllLines(Path.of("node_1", "config", "cluster-nodes"));
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("discovery.type", "zen");
            settings.putList("cluster.initial_cluster_manager_nodes", nodes);
        });
        runner.build(arguments);
        Thread.currentThread().join();
    }
}
