// Uses the AWS SDK for Go on a bucket. Settings come from the AWS_* environment.
package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const bucket = "go-sdk"

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	ctx := context.Background()
	settings, err := config.LoadDefaultConfig(ctx, config.WithRetryMaxAttempts(1))
	must(err)
	client := s3.NewFromConfig(settings, func(options *s3.Options) { options.UsePathStyle = true })

	_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	must(err)
	small := strings.Repeat("small ", 100)
	_, err = client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("small"), Body: strings.NewReader(small),
		Metadata: map[string]string{"colour": "green"}, ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	})
	must(err)
	got, err := client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("small"), ChecksumMode: types.ChecksumModeEnabled,
	})
	must(err)
	body, err := io.ReadAll(got.Body)
	must(err)
	if string(body) != small || got.Metadata["colour"] != "green" || got.ChecksumSHA256 == nil {
		log.Fatal("another object came back")
	}

	large := bytes.Repeat([]byte("large"), 3<<20)
	_, err = manager.NewUploader(client).Upload(ctx, &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("large"), Body: bytes.NewReader(large),
	})
	must(err)
	buffer := manager.NewWriteAtBuffer(nil)
	_, err = manager.NewDownloader(client).Download(ctx, buffer, &s3.GetObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("large"),
	})
	must(err)
	if !bytes.Equal(buffer.Bytes(), large) {
		log.Fatal("other bytes came back")
	}
	_, err = client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("copy"), CopySource: aws.String(bucket + "/large"),
	})
	must(err)
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("absent")})
	var absent *types.NoSuchKey
	if !errors.As(err, &absent) {
		log.Fatal("an object that is not there was found: ", err)
	}

	var keys []types.ObjectIdentifier
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{
		Bucket: aws.String(bucket), MaxKeys: aws.Int32(2),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		must(err)
		for _, object := range page.Contents {
			keys = append(keys, types.ObjectIdentifier{Key: object.Key})
		}
	}
	if len(keys) != 3 {
		log.Fatalf("%d keys are listed", len(keys))
	}
	deleted, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: aws.String(bucket), Delete: &types.Delete{Objects: keys},
	})
	must(err)
	if len(deleted.Errors) != 0 {
		log.Fatal("not everything was deleted")
	}
	_, err = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(bucket)})
	must(err)
}
