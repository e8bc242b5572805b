// Uses the AWS SDK for Java on a bucket. Settings come from the AWS_* environment.

import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;

public class Main {
    static final String BUCKET = "java-sdk";

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    public static void main(String[] arguments) {
        try (S3Client s3 = S3Client.builder()
                .endpointOverride(URI.create(System.getenv("AWS_ENDPOINT_URL")))
                .region(Region.of(System.getenv("AWS_REGION")))
                .forcePathStyle(true)
                .httpClientBuilder(UrlConnectionHttpClient.builder())
                .build()) {
            s3.createBucket(request -> request.bucket(BUCKET));
            small(s3);
            large(s3);
            delete(s3);
        }
    }

    static void small(S3Client s3) {
        s3.putObject(
                request -> request.bucket(BUCKET).key("small ä").metadata(Map.of("colour", "green")),
                RequestBody.fromString("small"));
        var got = s3.getObjectAsBytes(request -> request.bucket(BUCKET).key("small ä"));
        check(got.asUtf8String().equals("small"), "other bytes came back");
        check(got.response().metadata().equals(Map.of("colour", "green")), "other metadata came back");
        s3.copyObject(request -> request.sourceBucket(BUCKET).sourceKey("small ä")
                .destinationBucket(BUCKET).destinationKey("copy"));
        check(s3.headObject(request -> request.bucket(BUCKET).key("copy")).contentLength() == 5, "a copy differs");
        try {
            s3.getObjectAsBytes(request -> request.bucket(BUCKET).key("absent"));
            throw new AssertionError("an object that is not there was found");
        } catch (NoSuchKeyException expected) {
            check(expected.statusCode() == 404, "another status");
        }
    }

    static void large(S3Client s3) {
        byte[] part = new byte[5 << 20];
        Arrays.fill(part, (byte) 'x');
        var upload = s3.createMultipartUpload(request -> request.bucket(BUCKET).key("large")).uploadId();
        List<CompletedPart> parts = new ArrayList<>();
        for (int number = 1; number <= 2; number++) {
            int partNumber = number;
            var stored = s3.uploadPart(
                    request -> request.bucket(BUCKET).key("large").uploadId(upload).partNumber(partNumber),
                    RequestBody.fromBytes(part));
            parts.add(CompletedPart.builder().partNumber(number).eTag(stored.eTag())
                    .checksumCRC32(stored.checksumCRC32()).build());
        }
        s3.completeMultipartUpload(request -> request.bucket(BUCKET).key("large").uploadId(upload)
                .multipartUpload(completed -> completed.parts(parts)));
        var got = s3.getObjectAsBytes(request -> request.bucket(BUCKET).key("large"));
        check(got.asByteArray().length == 2 * part.length, "another length came back");
    }

    static void delete(S3Client s3) {
        List<ObjectIdentifier> keys = new ArrayList<>();
        s3.listObjectsV2Paginator(request -> request.bucket(BUCKET).maxKeys(2)).contents()
                .forEach(object -> keys.add(ObjectIdentifier.builder().key(object.key()).build()));
        check(keys.size() == 3, keys.size() + " keys are listed");
        var deleted = s3.deleteObjects(request -> request.bucket(BUCKET).delete(list -> list.objects(keys)));
        check(deleted.errors().isEmpty(), "not everything was deleted");
        s3.deleteBucket(request -> request.bucket(BUCKET));
    }
}
